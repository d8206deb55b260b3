"""Executors: how the cells of a plan get run."""
