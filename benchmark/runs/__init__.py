"""A run from outside: started, executed, observed, read back, verified, compared."""
