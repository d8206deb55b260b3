"""Intervals, paired tests, ranks and their resampling: pure functions on arrays whose unit is the patient.

Nothing here takes slice rows; slices are averaged to patients where they are scored. SciPy is imported inside
the functions that need it, so that reading a leaderboard stays quick.
"""
