"""Training slices that stay on disk: in network space beside their data file, or read from the data file itself."""
