"""LaTeX tables as narrow as a paper's column."""

from __future__ import annotations

import pytest
from test_leaderboard import METRICS, record, scored

from benchmark.errors import UsageError
from benchmark.leaderboard import build, to_latex
from benchmark.leaderboard.tables import Leaderboard


def board() -> Leaderboard:
    both = [
        {"psnr": scored([20.0 + n, 21.0 + n, 23.0 + n], unit="dB"), "mae": scored([90.0 - n, 80.0, 70.0], unit="HU")}
        for n in (0, 3)
    ]
    return build([record("a", scores=both[0]), record("b", scores=both[1])], METRICS)


def titles(latex: str) -> list[str]:
    line = latex.splitlines()[latex.splitlines().index(r"\toprule") + 1]
    return [title.split(" [")[0] for title in line.removesuffix(r" \\").split(" & ")]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (["PSNR"], ["PSNR"]),
        (["mae", "psnr"], ["MAE", "PSNR"]),
        (["train", "PSNR", "params"], ["train", "PSNR", "params"]),
    ],
)
def test_only_the_columns_asked_for_in_their_order(asked: list[str], shown: list[str]) -> None:
    latex = to_latex(board(), asked)
    found = titles(latex)
    assert found[:2] == ["rank", "model"]
    assert [title.split(" $")[0] for title in found[2:]] == shown
    assert r"\begin{tabular}{ll" + "r" * len(asked) + "}" in latex


def test_the_best_stays_bold_where_it_is() -> None:
    lines = to_latex(board(), ["PSNR"]).splitlines()
    (best,) = (line for line in lines if " & b" in line)
    assert r"\textbf{" in best.split(" & ")[2]


def test_a_column_that_no_table_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no column 'PSN'.*'PSNR'"):
        to_latex(board(), ["PSN"])


def test_the_packages_are_named() -> None:
    for package in ("booktabs", "graphicx", "fontenc"):
        assert package in to_latex(board()).splitlines()[0]
