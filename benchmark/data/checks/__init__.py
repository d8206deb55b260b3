"""Faults of a data set, found before anything is trained on it."""
