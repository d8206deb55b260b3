"""The version: the only place where it is written; distributions and documents are checked against it."""

__version__ = "0.1.0"
