"""Predictions made elsewhere, placed and scored like a cell's own."""
