"""The workflow of docs/site.md, step by step in a folder of its own: a good submission is published, bad ones are not.

Nothing of a forge is here: what its actions do is done by hand, and every ``run`` goes through the shell that it uses.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from benchmark.store.folder import RunFolder
from benchmark.store.record import Record
from benchmark.store.seal import read_sealed, write_sealed

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "site.md"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PAGE.is_file(), reason="not a checkout: docs/ is not here"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine"),
]


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return dict(yaml.safe_load(text))


@pytest.fixture(scope="module")
def submitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[CommandLine, Path]:
    """A run made on a machine whose data sets are nowhere else."""
    toy = CommandLine.make(tmp_path_factory.mktemp("submitter"))
    made = toy("run", "--grid", "toy", "--models", "toy-affine,toy-copy", "--preset", "smoke", "--name", "ours")
    assert made.returncode == 0, made.stdout + made.stderr
    shutil.rmtree(toy.folder / "datasets")
    return toy, toy.folder / "results" / "ours"


class Forge:
    """Runs the steps of a job as a forge's runner does: in order, by ``bash -e``, until one fails."""

    def __init__(self, folder: Path, repository: Path, toy: CommandLine) -> None:
        self.work, self._repository = folder / "checkout", repository
        tools = folder / "tools"
        tools.mkdir(parents=True)
        for name, does in (
            ("benchmark", f'exec "{sys.executable}" -m benchmark "$@"'),
            ("pip", 'echo "$@" >>"$PIPPED"'),
        ):
            (tools / name).write_text(f"#!/bin/sh\n{does}\n")
            (tools / name).chmod(0o755)
        self._pipped = folder / "pipped"
        self._environment = {
            **toy.environment, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PIPPED": str(self._pipped)
        }  # fmt: skip
        self.published: Path | None = None
        self.output = ""

    def run(self, steps: list[dict[str, Any]]) -> bool:
        """Whether all steps succeed."""
        return all(self._use(step) if "uses" in step else self._shell(step["run"]) for step in steps)

    @property
    def installed(self) -> list[str]:
        """What pip was asked to install."""
        return [word for line in self._pipped.read_text().splitlines() for word in line.split()[1:]]

    def _use(self, step: dict[str, Any]) -> bool:
        action, given = step["uses"].partition("@")[0], step.get("with", {})
        if action == "actions/checkout":
            shutil.copytree(self._repository, self.work)
        elif action == "actions/upload-pages-artifact":
            self.published = self.work / given["path"]
        else:
            assert action == "actions/setup-python", f"nobody says what {action} does"
        return True

    def _shell(self, script: str) -> bool:
        # the page's tasks are the embedded ones; here they are the toy plugin's, and small
        script = script.replace("data build mr-ct pet-ct", "data build toy-shift --preset smoke").replace(
            "${{ github.repository_owner }}", "lab"
        )
        assert "${{" not in script
        ended = subprocess.run(
            ["bash", "-e", "-c", script], cwd=self.work, env=self._environment, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        self.output += ended.stdout + ended.stderr
        return ended.returncode == 0


def better_scores(run: Path) -> None:
    """A submission whose record claims more than its predictions give, sealed as if nothing were wrong."""
    folder = next(RunFolder(run).cell(record.id) for record in RunFolder(run).stream() if record.done)
    facts = read_sealed(folder.file("record.json"))
    for score in facts["scores"].values():
        for patient, value in score.get("patients", {}).items():
            score["patients"][patient] = value * 2 + 1
    write_sealed(folder.file("record.json"), facts)
    assert Record.from_json(read_sealed(folder.file("record.json"))).done


def other_predictions(run: Path) -> None:
    """A submission whose predictions were replaced after they were scored."""
    file = next((run / "cells").glob("*/predictions.h5"))
    file.write_bytes(file.read_bytes() + b"x")


def test_the_workflow_publishes_a_good_submission_and_names_what_is_wrong_with_bad_ones(
    workflow: dict[str, Any], submitted: tuple[CommandLine, Path], tmp_path: Path
) -> None:
    toy, run = submitted
    steps = workflow["jobs"]["check"]["steps"]
    repository = tmp_path / "repository"
    shutil.copytree(run, repository / "runs" / "ours")
    forge = Forge(tmp_path / "good", repository, toy)
    assert forge.run(steps), forge.output
    assert forge.published is not None
    assert (forge.published / "index.html").is_file()
    assert "https://lab.github.io/results/runs/" in (forge.published / "feed.xml").read_text()
    reports = list(forge.published.glob("runs/*/report.html"))
    assert len(reports) == 1
    assert 'class="gallery"' in reports[0].read_text(), "the data were built here, and the cases are shown"
    ours = [ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")]
    assert set(forge.installed) <= {tomllib.loads(file.read_text())["project"]["name"] for file in ours}

    shutil.copytree(forge.work / "datasets", repository / "datasets")  # what is there is not built again
    bad = {"claims": (better_scores, "is recorded as"), "swapped": (other_predictions, "predictions.h5 was altered")}
    for name, (spoil, _) in bad.items():
        shutil.copytree(run, repository / "runs" / name)
        spoil(repository / "runs" / name)
    forge = Forge(tmp_path / "bad", repository, toy)
    assert not forge.run(steps)
    assert forge.published is None, "a failed step ends the job"
    for name, (_, reason) in bad.items():
        (line,) = [line for line in forge.output.splitlines() if line.startswith(f"not taken: {name}:")]
        assert reason in line
    assert "1 run" in forge.output, "the good one is still there"


def test_only_the_main_branch_is_published(workflow: dict[str, Any]) -> None:
    jobs = workflow["jobs"]
    assert jobs["publish"]["needs"] == "check"
    uploads = [step for step in jobs["check"]["steps"] if "upload" in step.get("uses", "")]
    for one in (jobs["publish"], *uploads):
        assert one["if"] == "github.ref == 'refs/heads/main'"
    assert workflow["permissions"] == {"contents": "read"}
    assert all("pull_request_target" not in str(key) for key in workflow[True]), "would hand secrets to strangers"
