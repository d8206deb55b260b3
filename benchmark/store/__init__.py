"""What a run leaves on disk. Each file that travels has one type, one reader and one writer here."""
