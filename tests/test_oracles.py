"""Tests against other people's implementations run in the environments that are meant to run them."""

from __future__ import annotations

import configparser
import os
import re
from pathlib import Path

import oracles
import pytest
from oracles import PACKAGES, REQUIRED, oracle_package

ROOT = Path(__file__).parents[1]
TOX = ROOT / "tox.ini"


@pytest.mark.skipif(os.environ.get(REQUIRED) != "required", reason=f"{REQUIRED}=required is set where they must be")
@pytest.mark.parametrize("package", PACKAGES)
def test_every_oracle_is_here(package: str) -> None:
    oracle_package(package)


@pytest.mark.parametrize(
    ("setting", "outcome"), [("required", pytest.fail.Exception), ("", pytest.skip.Exception)], ids=["fails", "skips"]
)
def test_a_missing_oracle_fails_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch, setting: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setattr(oracles, "PACKAGES", ("no_such_package",))
    monkeypatch.setenv(REQUIRED, setting)
    with pytest.raises(outcome, match=r"no_such_package\.image .*cannot be imported"):
        oracle_package("no_such_package.image")


def test_an_oracle_that_no_environment_installs_is_refused() -> None:
    with pytest.raises(ValueError, match="scikit_image is none of huggingface_hub, piq, skimage, torchmetrics"):
        oracle_package("scikit_image")


@pytest.mark.skipif(not TOX.is_file(), reason="not a checkout")
def test_no_test_passes_over_an_oracle_in_another_way() -> None:
    skipping = re.compile(rf"importorskip\(\s*[\"']({'|'.join(PACKAGES)})\b")
    tests = [*ROOT.glob("tests/test_*.py"), *ROOT.glob("plugins/*/tests/test_*.py")]
    assert len(tests) > 50
    assert [path.name for path in tests if skipping.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.skipif(not TOX.is_file(), reason="not a checkout")
@pytest.mark.parametrize(("section", "factor"), [("testenv", "first: "), ("testenv:floor", "")])
def test_the_matrix_requires_and_installs_them(section: str, factor: str) -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(TOX, encoding="utf-8")
    assert f"{factor}{REQUIRED} = required" in tox[section]["set_env"].splitlines()
    assert f"{factor}oracles" in tox[section]["dependency_groups"].splitlines()
