"""Data sets: the ``mi2i/1`` file, its checks, volumes in space, and what is made of a whole file."""
