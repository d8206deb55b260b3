"""The site: every Markdown page of the repository where it lies, and the reference from docstrings.

Built from the root of the checkout: ``sphinx-build -W -c docs . build/site`` (tox environment ``docs``).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import benchmark
from benchmark import __version__

if TYPE_CHECKING:
    from docutils.nodes import Element
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "medgan-benchmark"
author = "the medgan-benchmark maintainers"
copyright = f"{author}; Apache-2.0"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
root_doc = "docs/index"
# the same files, with the same links between them, are read in the repository
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "RELEASING.md",
    "SECURITY.md",
    "docs/**.md",
    "datasets/*.md",
    "plugins/*/README.md",
    "results/reference/**.md",
    "tests/performance/README.md",
]
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!benchmark\.).*")]  # other projects' names: no inventory without a network

myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath", "attrs_block"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"medgan-benchmark {release}"
templates_path = ["_templates"]
html_additional_pages = {"index": "redirect.html"}
html_copy_source = False
copybutton_prompt_text = "$ "


def _home(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: Element) -> Element | None:
    """What ``benchmark`` shows is linked to the module that it comes from; what exists without a page is plain text."""
    target = str(node.get("reftarget", ""))
    module, _, name = target.rpartition(".")
    if node.get("refdomain") != "py" or not target.startswith("benchmark."):
        return None
    if module == "benchmark" and name in benchmark.__all__:
        home = f"{getattr(benchmark, name).__module__}.{name}"
        found = env.domains["py"].resolve_any_xref(env, node["refdoc"], app.builder, home, node, text)
        if found:
            return found[0][1]
    return text if _exists(target) else None


def _exists(target: str) -> bool:
    """Whether a dotted name is a module or something in one."""
    parts = target.split(".")
    for end in range(len(parts), 0, -1):
        try:
            place: object = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            fields = getattr(place, "__annotations__", {})
            if not hasattr(place, part):
                return part in fields
            place = getattr(place, part)
        return True
    return False


_as_written: dict[str, list[str]] = {}


def _keep(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Napoleon takes what stands before a colon in an attribute's docstring for its type; ours have annotations."""
    if what in ("attribute", "data"):
        _as_written[name] = list(lines)


def _restore(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    if name in _as_written:
        lines[:] = _as_written.pop(name)


def setup(app: Sphinx) -> None:
    app.connect("missing-reference", _home)
    app.connect("autodoc-process-docstring", _keep, priority=100)  # before napoleon
    app.connect("autodoc-process-docstring", _restore, priority=900)
