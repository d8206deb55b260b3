"""Names and messages that come from files and plugins, made harmless for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Without control characters, so that no name can move the cursor, colour the screen or break a line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
