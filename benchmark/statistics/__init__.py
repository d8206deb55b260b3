"""Intervals, paired tests and ranks: pure functions on arrays whose unit is the patient.

Nothing here takes slice rows; average slices to patients first (:func:`benchmark.statistics.intervals.patient_means`).
SciPy is imported inside the functions that need it, so that reading a leaderboard stays quick.
"""
