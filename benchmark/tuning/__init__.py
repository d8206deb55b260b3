"""Tuning: every model gets the same number of trials, on validation patients of data that are never the test's."""
