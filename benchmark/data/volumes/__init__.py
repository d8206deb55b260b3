"""Volumes in space: geometry, NIfTI, placing on stored slices, export."""
