"""The plotting library as the text that a page carries: Vega, Vega-Lite and Vega-Embed, out of an installed wheel.

vl-convert brings all three (BSD-3-Clause) and bundles them without a network. That takes seconds, so that the text is
kept in the user's cache; it is made anew for other versions.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from importlib.metadata import version
from pathlib import Path

from benchmark import atomic
from benchmark.errors import Unavailable

SEAL_LENGTH = 64


def plotting_library() -> str:
    """JavaScript that sets ``window.vegaEmbed``.

    Raises:
        Unavailable: vl-convert is not installed, or does not bundle.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise Unavailable(f"plots need vl-convert-python ({error}); pip install vl-convert-python") from None
    release = version("vl-convert-python")
    kept = _cache() / f"vega-{vl_convert.get_vega_version()}-{release}.js"
    if (text := _read(kept)) is not None:
        return text
    try:
        text = str(vl_convert.javascript_bundle(snippet=None))  # type: ignore[arg-type]  # its stub forgets the default
    except Exception as error:
        raise Unavailable(f"vl-convert-python {release} cannot bundle Vega: {error}") from None
    # a cache that cannot be written costs the next report seconds
    with contextlib.suppress(OSError):
        atomic.write_text(kept, hashlib.sha256(text.encode()).hexdigest() + text)
    return text


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "medgan-benchmark"


def _read(path: Path) -> str | None:
    """The text that was kept, if it is whole."""
    try:
        sealed = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    seal, text = sealed[:SEAL_LENGTH], sealed[SEAL_LENGTH:]
    return text if hashlib.sha256(text.encode()).hexdigest() == seal else None
