"""A finished cell used on anybody's volumes."""
