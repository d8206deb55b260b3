"""Names and messages that come from files and plugins, made harmless for a terminal and for Markdown."""

from __future__ import annotations

import re


def printable(text: str) -> str:
    """Without control characters, so that no name can move the cursor, colour the screen or break a line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def markdown(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no line breaks, no control characters."""
    one_line = "".join(char if char.isprintable() else " " for char in text)
    return re.sub(r"([\\`*_\[\]<>|#&~!$])", r"\\\1", one_line)
