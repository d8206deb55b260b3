"""A claim covers what is executed: not comments, docstrings or texts for people, but every number and name."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.registry.sources import code_sha256

MODULE = '''
"""What it does."""
from dataclasses import dataclass, field

@dataclass
class Options:
    width: int = field(default=4, metadata={"help": "channels", "source": "Ours 2020"})

SPEC = ModelSpec("net", "plugin:Net", summary="A network.", cost=2.0)
TABLE = {**DEFAULTS, "summary": "for people", "rate": 3}
'''


def hashed(folder: Path, text: str) -> str:
    file = folder / f"{len(list(folder.iterdir()))}" / "module.py"
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")
    return code_sha256(file.parent, [file])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""What it does."""', '"""What it really does."""'),
        ("SPEC =", "# a comment\nSPEC ="),
        ('"help": "channels"', '"help": "channels of the first layer"'),
        ('summary="A network."', 'summary="A better text."'),
        ('"summary": "for people"', '"summary": "for you"'),
    ],
)
def test_texts_for_people_are_no_part_of_a_claim(old: str, new: str, tmp_path: Path) -> None:
    assert hashed(tmp_path, MODULE) == hashed(tmp_path, MODULE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("default=4", "default=5"),
        ("cost=2.0", "cost=2.5"),
        ('"rate": 3', '"rate": 4'),
        ("plugin:Net", "plugin:Other"),
        ("**DEFAULTS", "**OTHERS"),
        ('summary="A network."', "summary=compute()"),
    ],
)
def test_whatever_can_decide_a_number_is(old: str, new: str, tmp_path: Path) -> None:
    assert hashed(tmp_path, MODULE) != hashed(tmp_path, MODULE.replace(old, new))
