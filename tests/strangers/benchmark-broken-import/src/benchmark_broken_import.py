"""A plugin whose dependency is not installed."""

import a_library_nobody_has  # noqa: F401
