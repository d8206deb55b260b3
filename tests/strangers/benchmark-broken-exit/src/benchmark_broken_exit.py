"""A plugin that ends the interpreter when it is imported."""

raise SystemExit("I refuse to be imported")
