"""``import benchmark`` in scripts: runs, cells, arrays, leaderboards; and every block of its manual."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import CommandLine

import benchmark
from benchmark import UsageError

ROOT = Path(__file__).parent.parent
MANUAL = ROOT / "docs" / "python.md"
TOY = {
    "full": "toy",
    "default": "toy",
    "mr-ct": "toy-shift",
    "pix2pix": "toy-affine",
    "copy-input": "toy-copy",
    "mae": "toy-error",
    "ssim": "toy-error",
}
"""The manual speaks of real models; here they are played by toys."""


def script(toy: CommandLine, text: str) -> subprocess.CompletedProcess[str]:
    """Run a script, which is nowhere guarded by ``__main__``, as a user would."""
    file = toy.folder / "script.py"
    file.write_text(text)
    return subprocess.run(
        [sys.executable, str(file)],
        cwd=toy.folder,
        env=toy.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(not MANUAL.exists(), reason="not a checkout: docs/ is not here")
def test_every_block_of_the_manual_runs(toy: CommandLine) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", MANUAL.read_text(encoding="utf-8"), re.S | re.M)
    assert len(blocks) > 6
    text = "\n".join(blocks)
    for name, stand_in in TOY.items():
        assert name in text
        text = re.sub(rf'(?<=["/]){re.escape(name)}(?=["/])', stand_in, text)
    ended = script(toy, text)
    assert ended.returncode == 0, ended.stderr
    assert "toy-shift/toy-affine/s0 done" in ended.stdout
    assert (toy.folder / "results").is_dir()


SCRIPT = """
import os
import sys
import benchmark

planned = benchmark.plan_run("toy", preset="smoke", seeds=[3], results="r", parameters={"toy-affine": {"bias": False}})
heavy = [name for name in ("torch", "numpy", "h5py", "pandas", "scipy", "rich") if name in sys.modules]
assert not heavy, heavy
assert len(planned.cells) == 3 and not planned.path.exists()
kinds = []
os.environ.pop("BENCHMARK_OFFLINE", None)
run = planned.start(jobs=1, offline=True, observer=benchmark.Observer(event=lambda event: kinds.append(event.kind)))
assert os.environ["BENCHMARK_OFFLINE"] == "1"
assert "torch" not in sys.modules
assert (kinds.count("started"), kinds.count("finished")) == (3, 3), kinds
assert run.ok and run.states == {"done": 3}
assert run.about.seeds == (3,)
assert [cell.seed for cell in run] == [3, 3, 3]
cell = run.cell("toy-shift/toy-affine/s3")
assert run.cell(cell.id[:6]).title == cell.title
assert cell.record.spec.options["bias"] is False
patients = cell.patients("toy-error")
assert len(patients) == 3
assert abs(cell.scores["toy-error"] - sum(patients.values()) / 3) < 1e-12
studies = list(cell.predictions(images=True))
assert [study.patient for study in studies] == sorted(patients)
for study in studies:
    assert study.values.dtype == "float32" and study.values.shape == study.images.target.shape
table = cell.frame()
assert (table["metric"] == "toy-error").sum() >= 3
assert str(table["slice"].dtype) == "Int32" and str(table["metric"].dtype) == "category"
assert set(run.scores()["model"]) == {"toy-affine", "toy-copy", "toy-mean"}
assert dict(zip(run.frame()["model"], run.frame()["state"]))["toy-affine"] == "done"
assert [line for line in cell.log() if "losses" in line]
board = run.leaderboard()
assert set(benchmark.leaderboard.to_frame(board)["model"]) == {"toy-affine", "toy-copy", "toy-mean"}
assert {row.name for row in board.tables[0].rows} == {"toy-affine", "toy-copy", "toy-mean"}
assert [problem for _, problem in run.verify()] == ["", "", ""]
assert run.compare(run).changes
assert repr(cell) == "<Cell toy-shift/toy-affine/s3 done>"
cell.path.joinpath("predictions.h5").write_bytes(b"x")
try:
    next(cell.predictions())
except benchmark.BenchmarkError as error:
    assert "predictions.h5 was altered" in str(error)
else:
    raise AssertionError("an altered file was read")
"""


def test_a_script_runs_a_grid_and_reads_it_back(toy: CommandLine) -> None:
    ended = script(toy, SCRIPT)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""


def test_the_command_continues_what_a_script_began(toy: CommandLine) -> None:
    ended = script(toy, "import benchmark\nbenchmark.run('toy', preset='smoke', models=['toy-mean'])\n")
    assert ended.returncode == 0, ended.stderr
    again = toy("run", "--grid", "toy", "--preset", "smoke", "--models", "toy-mean")
    assert "1 of 1 cells are done already" in again.stdout


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"grid": "nowhere.toml"}, "no such file"),
        ({"seeds": 0}, "seeds=0"),
        ({"seeds": [-1]}, "seeds="),
        ({"models": "pix2pix"}, r"\['pix2pix'\]"),
        ({"precision": "fp16"}, "fp32 or bf16"),
    ],
)
def test_a_request_that_cannot_be_is_refused(choices: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        benchmark.plan_run(**choices)  # type: ignore[arg-type]


def test_what_a_grid_cannot_do_is_refused(toy: CommandLine) -> None:
    refused = {
        "preset='huge'": "no preset 'huge'",
        "recipe={'steps': 3}, steps=4": "steps was given before",
        "recipe={'stepz': 3}": "'steps'",
    }
    lines = ["import benchmark"]
    for choices in refused:
        lines += ["try:", f"    benchmark.plan_run(grid='toy', {choices})", "except benchmark.UsageError as error:"]
        lines += ["    print(error)"]
    ended = script(toy, "\n".join(lines))
    assert ended.returncode == 0, ended.stderr
    for said, line in zip(refused.values(), ended.stdout.splitlines(), strict=True):
        assert said in line


def test_a_run_that_is_not_there_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run in"):
        benchmark.load_run(tmp_path)


def test_every_public_name_is_there_and_listed() -> None:
    for name in benchmark.__all__:
        assert getattr(benchmark, name) is not None
    assert set(benchmark.__all__) <= set(dir(benchmark))
    with pytest.raises(AttributeError, match="no_such_name"):
        benchmark.no_such_name  # noqa: B018
