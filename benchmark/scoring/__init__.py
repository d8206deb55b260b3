"""From stored predictions to scores: images prepared, metrics applied, slices averaged to patients."""
