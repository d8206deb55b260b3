"""What may be said of a run: every option once, with its type, default, help and the word for it on a command line."""
