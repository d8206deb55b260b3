"""The ``mi2i/1`` data sets: intensity maps, writer, reader, splits and checks."""
