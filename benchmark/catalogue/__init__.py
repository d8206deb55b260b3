"""What there is to choose from, listed and described without training anything."""
