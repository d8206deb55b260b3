"""How a run leads its jobs, with a batch system of a few lines in the test's own process: no process is started."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from benchmark_executors import exchange, remote
from benchmark_executors.bundle import Bundle, end
from benchmark_executors.fleet import Fleet, Rules
from benchmark_executors.queues import Busy, Refused, Request, Standing
from benchmark_executors.staging import staged
from made_records import spec

from benchmark.cell.job import CellJob
from benchmark.contracts.presets import DataSize
from benchmark.executors import Assignment, Event, Surroundings
from benchmark.plan.claim import DataSource
from benchmark.plan.expand import BuildJob
from benchmark.store.folder import CellFolder

RULES = Rules(
    limit=100,
    side_by_side=100,
    pack=1,
    patience=0.2,
    poll_seconds=0.01,
    lost_seconds=5.0,
    query_seconds=0.0,
)


class Pretend:
    """A batch system whose jobs are what ``act`` does with them each time the queue is asked."""

    can_be_asked = True

    def __init__(self, act: Callable[[Request, int], Standing | None]) -> None:
        self.act = act
        self.taken: list[Request] = []
        self.asked: dict[str, int] = {}
        self.cancelled: list[str] = []
        self.refusals: list[Exception] = []
        self.submissions: list[int] = []

    def submit(self, requests: Sequence[Request]) -> list[str]:
        self.submissions.append(len(requests))
        if self.refusals:
            raise self.refusals.pop(0)
        self.taken += requests
        return [str(len(self.taken) - len(requests) + number) for number in range(len(requests))]

    def look(self, ids: Sequence[str]) -> Mapping[str, Standing] | None:
        said = {}
        for id_ in ids:
            self.asked[id_] = self.asked.get(id_, 0) + 1
            standing = self.act(self.taken[int(id_)], self.asked[id_])
            if standing is None:
                return None
            said[id_] = standing
        return said

    def cancel(self, ids: Sequence[str]) -> str:
        self.cancelled += ids
        return ""


RUNNING, WAITING, GONE = Standing("running"), Standing("waiting"), Standing("gone", "FAILED")


def does_all(request: Request, _: int) -> Standing:
    """A job that does its cells at once."""
    for number, assignment in enumerate(request.assignments):
        end(request.folder, number, Event("finished", assignment.title, "done"))
    exchange.end(request.folder, remote.FINISHED)
    return GONE


def lead(
    tmp_path: Path,
    queue: Pretend,
    titles: Sequence[str],
    *,
    attempts: int = 2,
    needs: Callable[[Assignment], object] = lambda _: None,
    **rules: object,
) -> tuple[Mapping[str, tuple[str, str]], list[Event], list[str]]:
    events: list[Event] = []
    said: list[str] = []
    surroundings = Surroundings(0, None, (), tmp_path, said.append, attempts=attempts)
    fleet = Fleet(queue, dataclasses.replace(RULES, **rules), surroundings, needs)  # type: ignore[arg-type]
    return fleet.run([assignment(title) for title in titles], events.append), events, said


def assignment(title: str) -> Assignment:
    return Assignment(title, BuildJob("task", f"{title}.h5", DataSize(16, 1, 1, 1, 1), 0, {}))


def test_cells_are_packed_by_what_they_need(tmp_path: Path) -> None:
    queue = Pretend(does_all)
    titles = [f"{kind}{number}" for number in range(5) for kind in "ab"]
    outcome, _, _ = lead(tmp_path, queue, titles, pack=2, needs=lambda one: one.title[0])
    assert outcome == dict.fromkeys(titles, ("done", ""))
    assert [len(request.assignments) for request in queue.taken] == [2, 2, 1, 2, 2, 1]
    assert all(len({one.title[0] for one in request.assignments}) == 1 for request in queue.taken)
    assert queue.submissions == [3, 3]


def test_by_itself_it_packs_so_that_every_slot_has_four_jobs(tmp_path: Path) -> None:
    queue = Pretend(does_all)
    lead(tmp_path, queue, [str(number) for number in range(40)], pack=0, side_by_side=2)
    assert len(queue.taken) == 8


def test_no_more_jobs_at_once_than_the_limit(tmp_path: Path) -> None:
    queue = Pretend(does_all)
    lead(tmp_path, queue, [str(number) for number in range(7)], limit=3)
    assert queue.submissions == [3, 3, 1]


def test_a_batch_system_that_is_busy_is_tried_again_and_leaves_nothing_behind(tmp_path: Path) -> None:
    queue = Pretend(does_all)
    queue.refusals = [Busy("AssocMaxSubmitJobLimit"), Busy("controller away")]
    outcome, _, said = lead(tmp_path, queue, ["a", "b"])
    assert outcome == dict.fromkeys("ab", ("done", ""))
    assert len(said) == 2
    assert len(list(tmp_path.glob("jobs/*/*/bundle.json"))) == 2


def test_patience_ends_only_where_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    queue = Pretend(lambda request, asked: does_all(request, asked) if asked > 60 else RUNNING)
    queue.refusals = []

    class Full(Pretend):
        def submit(self, requests: Sequence[Request]) -> list[str]:
            if len(self.taken) == 1 and self.asked.get("0", 0) < 60:
                raise Busy("one at a time")
            return super().submit(requests[:1])

    full = Full(queue.act)
    outcome, _, _ = lead(tmp_path, full, ["a", "b"], patience=0.05)
    assert outcome == dict.fromkeys("ab", ("done", ""))
    never = Pretend(does_all)
    never.refusals = [Busy("controller away")] * 1000
    outcome, _, _ = lead(tmp_path / "never", never, ["a", "b"], patience=0.05)
    assert {state for state, _ in outcome.values()} == {"failed"}
    assert "controller away" in outcome["a"][1]


def test_what_is_refused_for_good_fails_at_once_and_the_rest_goes_on(tmp_path: Path) -> None:
    queue = Pretend(does_all)
    queue.refusals = [Refused("no such partition")]
    outcome, _, _ = lead(tmp_path, queue, ["a", "b"], needs=lambda one: one.title)
    assert outcome == {"a": ("failed", "no such partition"), "b": ("done", "")}


def test_cannot_be_asked_is_not_gone(tmp_path: Path) -> None:
    queue = Pretend(lambda request, asked: does_all(request, asked) if asked > 30 else None)
    outcome, events, _ = lead(tmp_path, queue, ["a"], lost_seconds=0.05)
    assert outcome == {"a": ("done", "")}
    assert [event.kind for event in events] == ["started", "finished"]
    assert len(queue.taken) == 1


@pytest.mark.parametrize(
    ("stop", "state"),
    [("node lost", "done"), ("preempted", "done"), ("walltime", "done"), (None, "done"), ("cancelled", "interrupted")],
)
def test_a_job_that_is_gone_is_submitted_again_unless_somebody_cancelled_it(
    tmp_path: Path, stop: None, state: str
) -> None:
    queue = Pretend(
        lambda request, asked: does_all(request, asked) if len(queue.taken) > 1 else Standing("gone", "", stop)
    )
    outcome, events, _ = lead(tmp_path, queue, ["a"])
    assert outcome["a"][0] == state
    assert events[-1].stop == (stop if state == "interrupted" else None)
    assert len(queue.taken) == (2 if state == "done" else 1)
    assert (queue.taken[0].folder / "ended").exists()  # should it start after all, it ends at once


def test_attempts_are_counted_as_long_as_a_cell_does_not_come_further(tmp_path: Path) -> None:
    def breaks_off(step: Callable[[int], int]) -> Callable[[Request, int], Standing]:
        def act(request: Request, asked: int) -> Standing:
            if len(queue.taken) == 6:
                return does_all(request, asked)
            progress = {"step": step(len(queue.taken)), "steps": 100, "losses": {}, "images_per_second": 1.0}
            exchange.write(request.folder / "progress.0", progress)
            return GONE

        return act

    queue = Pretend(breaks_off(lambda number: 10 * number))
    assert lead(tmp_path / "further", queue, ["a"])[0] == {"a": ("done", "")}
    queue = Pretend(breaks_off(lambda _: 10))
    outcome, events, _ = lead(tmp_path / "stuck", queue, ["a"], attempts=3)
    assert outcome["a"][0] == "failed"
    assert len(queue.taken) == 4  # the first came further, three did not
    assert events[-1].attempt == 3


def test_a_job_that_waits_to_be_started_again_is_left_to_the_batch_system(tmp_path: Path) -> None:
    def requeued(request: Request, asked: int) -> Standing:
        if asked == 1:
            claim = exchange.Claim(request.folder)
            claim.beat()
            claim.leave(remote.TERMINATED)
        return does_all(request, asked) if asked > 20 else WAITING

    queue = Pretend(requeued)
    outcome, _, _ = lead(tmp_path, queue, ["a"], independent=True, lost_seconds=0.02)
    assert outcome == {"a": ("done", "")}
    assert len(queue.taken) == 1
    assert not queue.cancelled


def test_a_silent_job_is_cancelled_and_awaited_before_its_cells_go_to_another(tmp_path: Path) -> None:
    def hangs(request: Request, asked: int) -> Standing:
        if len(queue.taken) > 1:
            return does_all(request, asked)
        if asked == 1:
            exchange.touch(request.folder / "beat")
        return Standing("gone", "CANCELLED", "cancelled") if "0" in queue.cancelled else RUNNING

    queue = Pretend(hangs)
    outcome, events, _ = lead(tmp_path, queue, ["a"], lost_seconds=0.1)
    assert outcome == {"a": ("done", "")}
    assert [event.stop for event in events if event.kind == "retry"] == ["lost sight of"]


def test_a_run_takes_over_the_jobs_of_an_earlier_one(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def killed(request: Request, asked: int) -> Standing:
        raise Killed

    queue = Pretend(killed)
    queue.cancel = lambda _: ""  # type: ignore[method-assign]
    with pytest.raises(Killed):
        lead(tmp_path, queue, ["a", "b"], independent=True)
    for request in queue.taken:  # as a kill -9 leaves them
        for name in ("stop", "ended"):
            (request.folder / name).unlink(missing_ok=True)
    queue.act = lambda request, asked: does_all(request, asked) if asked > 3 else RUNNING
    outcome, _, said = lead(tmp_path, queue, ["b", "a", "c"], independent=True)
    assert outcome == dict.fromkeys("abc", ("done", ""))
    assert "taking over 2 jobs" in said[0]
    assert [request.name for request in queue.taken] == ["a", "b", "c"]


def test_stopped_by_the_user_every_job_is_told_and_what_waits_is_removed(tmp_path: Path) -> None:
    def stops(request: Request, asked: int) -> Standing:
        raise KeyboardInterrupt

    queue = Pretend(stops)
    with pytest.raises(KeyboardInterrupt):
        lead(tmp_path, queue, ["a", "b"])
    assert sorted(queue.cancelled) == ["0", "1"]
    for request in queue.taken:
        assert (request.folder / "stop").exists()
        assert remote.work(request.folder) == 1  # started all the same, it does nothing


def test_cancelling_ends_the_jobs_of_whoever_submitted_them(tmp_path: Path) -> None:
    queue = Pretend(does_all)
    fleet = Fleet(queue, RULES, Surroundings(0, None, (), tmp_path, lambda _: None), lambda _: None)
    fleet.leave([assignment("a"), assignment("b")], lambda _: None)
    later = Fleet(queue, RULES, Surroundings(0, None, (), tmp_path, lambda _: None), lambda _: None)
    assert later.cancel() == 2
    assert sorted(queue.cancelled) == ["0", "1"]
    assert later.cancel() == 0
    assert [remote.work(request.folder) for request in queue.taken] == [1, 1]


def test_leaving_it_waits_only_until_everything_has_been_taken(tmp_path: Path) -> None:
    queue = Pretend(does_all)
    surroundings = Surroundings(0, None, (), tmp_path, lambda _: None)
    fleet = Fleet(queue, dataclasses.replace(RULES, limit=2), surroundings, lambda _: None)
    left = fleet.leave([assignment(title) for title in "abcde"], lambda _: None)
    assert queue.submissions == [2, 2, 1]
    assert left == {"e": "4"}


@pytest.mark.parametrize("word", ["CANCELLED", "FAILED", "no longer known"])
def test_left_once_more_what_ended_while_nobody_looked_is_submitted_anew(tmp_path: Path, word: str) -> None:
    """The user's next run is what a cancelled cell waits for, also if that run leaves again."""
    queue = Pretend(lambda request, _: Standing("gone", word) if request.name == "a" else RUNNING)
    for expected in ({"a": "0", "b": "1"}, {"a": "2", "b": "1"}):
        surroundings = Surroundings(0, None, (), tmp_path, lambda _: None)
        fleet = Fleet(queue, dataclasses.replace(RULES, independent=True), surroundings, lambda _: None)
        assert fleet.leave([assignment("a"), assignment("b")], lambda _: None) == expected
    assert [remote.work(request.folder) for request in queue.taken[:1]] == [1]  # should it be started all the same


def test_a_job_whose_cells_others_have_done_leaves_the_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that Slurm holds for ever: nobody would ever ask for it again."""
    monkeypatch.chdir(tmp_path)
    queue = Pretend(lambda *_: WAITING)
    surroundings = Surroundings(0, None, (), tmp_path, lambda _: None)
    fleet = Fleet(queue, dataclasses.replace(RULES, independent=True), surroundings, lambda _: None)
    fleet.leave([assignment("a"), assignment("b")], lambda _: None)
    Path("a.h5").touch()
    away = dataclasses.replace(RULES, independent=True)
    monkeypatch.setattr(queue, "cancel", lambda _: "no controller")
    assert Fleet(queue, away, surroundings, lambda _: None).run([], lambda _: None) == {}
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert Fleet(queue, away, surroundings, lambda _: None).run([], lambda _: None) == {}
    assert queue.cancelled == ["0"], "what is done goes, once the batch system can be asked; the other one stays"
    Fleet(queue, away, surroundings, lambda _: None).run([], lambda _: None)
    assert queue.cancelled == ["0"]
    Path("b.h5").touch()
    Fleet(queue, away, surroundings, lambda _: None).take_back()
    assert queue.cancelled == ["0", "1"], "as a run with nothing to do asks for it"


def test_a_batch_system_that_cannot_be_asked_loses_no_earlier_job(tmp_path: Path) -> None:
    queue = Pretend(lambda _, __: None)
    for _ in range(2):
        surroundings = Surroundings(0, None, (), tmp_path, lambda _: None)
        fleet = Fleet(queue, dataclasses.replace(RULES, independent=True), surroundings, lambda _: None)
        assert fleet.leave([assignment("a")], lambda _: None) == {"a": "0"}


def test_interrupted_while_it_submits_nothing_is_left_that_would_go_on(tmp_path: Path) -> None:
    class Interrupted(Pretend):
        def submit(self, requests: Sequence[Request]) -> list[str]:
            super().submit(requests)
            raise KeyboardInterrupt

    queue = Interrupted(does_all)
    with pytest.raises(KeyboardInterrupt):
        lead(tmp_path, queue, ["a", "b"], independent=True)
    assert [remote.work(request.folder) for request in queue.taken] == [1, 1]
    assert not list(tmp_path.glob("jobs/*/*/claim.*"))


def test_of_two_processes_with_one_job_the_later_has_it_once_the_earlier_left(tmp_path: Path) -> None:
    first = exchange.Claim(tmp_path)
    assert first.alone(60)
    second = exchange.Claim(tmp_path)
    assert first.lost
    assert not second.alone(60)
    first.leave(remote.REPLACED)
    assert second.alone(60)
    assert exchange.last_departure(tmp_path) == ""
    second.leave(remote.WALLTIME)
    assert exchange.last_departure(tmp_path) == remote.WALLTIME


def test_a_claim_of_a_dead_process_of_this_machine_holds_nobody_up(tmp_path: Path) -> None:
    exchange.Claim(tmp_path)
    claim = tmp_path / "claim.1"
    text = claim.read_text()
    number = text.rpartition(": ")[2].rstrip("}\n")
    claim.write_text(text.replace(number, "4194999"))
    assert exchange.Claim(tmp_path).alone(60)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    exchange.Claim(elsewhere)
    (elsewhere / "claim.1").write_text('{"host": "another", "pid": 4194999}\n')
    assert not exchange.Claim(elsewhere).alone(60)


def cell(data: Path) -> Assignment:
    claim = spec(dataset=DataSource("file", "0123456789abcdef0123", str(data)))
    return Assignment("c", CellJob(claim, CellFolder(data.parent / "cells" / claim.id), False, "cpu"))


def test_data_are_copied_to_the_node_once_and_read_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, disk = tmp_path / "d.h5", tmp_path / "node" / "disk"
    data.write_bytes(b"images")
    monkeypatch.setenv("NODE_DISK", str(disk))
    wanted = {0: cell(data), 3: assignment("built")}
    first = staged(wanted, "$NODE_DISK")
    copy = Path(first[0].job.data)  # type: ignore[union-attr]
    assert copy.parent == disk
    assert copy.read_bytes() == b"images"
    assert first[0].job.spec == wanted[0].job.spec  # type: ignore[union-attr]
    assert first[3].job == wanted[3].job
    kept = copy.stat().st_ino
    assert staged(wanted, "$NODE_DISK")[0].job == first[0].job
    assert copy.stat().st_ino == kept, "it was copied again"
    data.write_bytes(b"other images")
    staged(wanted, "$NODE_DISK")
    assert copy.read_bytes() == b"other images"
    assert [path.name for path in disk.iterdir()] == [copy.name]


def test_where_no_copy_can_be_made_the_data_are_read_where_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, full = tmp_path / "d.h5", tmp_path / "full"
    data.write_bytes(b"images")
    full.write_text("no folder")
    wanted = cell(data)
    assert staged({0: wanted}, str(full))[0].job == wanted.job
    assert "is not copied to" in capsys.readouterr().out
    assert staged({0: wanted}, "")[0].job == wanted.job


def test_a_bundle_comes_back_as_it_was(tmp_path: Path) -> None:
    bundle = Bundle((assignment("a"), assignment("b")), 3.0, 2, ("torch",), 0.1, 3.0, True, "$TMPDIR")
    bundle.write(tmp_path)
    back = Bundle.read(tmp_path)
    assert back is not None
    assert [one.title for one in back.assignments] == ["a", "b"]
    assert dataclasses.replace(back, assignments=()) == dataclasses.replace(bundle, assignments=())
    (tmp_path / "bundle.json").write_text("{")
    assert Bundle.read(tmp_path) is None
