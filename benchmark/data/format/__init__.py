"""The ``mi2i/1`` file: its layout, written atomically, read lazily."""
