"""Downstream evaluations: what a synthetic or restored image is worth for that which a clinic does with it next."""
