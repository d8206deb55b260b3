"""Names become cells: grids, tasks, data sources, and the claim that gives a cell its id."""
