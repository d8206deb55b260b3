"""Weights that are fetched when first needed: whole, checked, quickly, once, or not at all."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmark.contracts.specs import WeightsSpec
from benchmark.errors import BenchmarkError, Unavailable
from benchmark.pretrained import weights
from benchmark.pretrained.downloading import DownloadError, Patience, download

CONTENT = bytes(range(256)) * 2000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(answer_s=0.5, total_s=2.0)


@dataclass
class Publisher:
    """A server on the loopback that behaves as its path says, and counts what it is asked."""

    address: str = ""
    asked: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def spec(self, path: str = "whole") -> WeightsSpec:
        """Weights that are published there."""
        return WeightsSpec(
            "eyes", "eyes.pth", title="Eyes", url=f"{self.address}/{path}", sha256=DIGEST[:8], parameters=1
        )


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    state = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind = self.path.strip("/")
            state.asked.append(kind)
            if kind == "silent":
                state.closing.wait(10)
                return
            self.send_response(404 if kind == "gone" else 200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            if kind == "dripping":
                for start in range(0, len(CONTENT), 1000):
                    if state.closing.wait(0.1):
                        return
                    try:
                        self.wfile.write(CONTENT[start : start + 1000])
                    except OSError:
                        return
            elif kind == "short":
                self.wfile.write(CONTENT[:1000])
            elif kind == "other":
                self.wfile.write(CONTENT[::-1])
            elif kind != "gone":
                time.sleep(0.2 if kind == "late" else 0)
                self.wfile.write(CONTENT)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.address = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    state.closing.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv(weights.OFFLINE, raising=False)
    return tmp_path / "weights"


def left(folder: Path) -> set[str]:
    """Files that are there, but for locks."""
    return {path.name for path in folder.glob("**/*") if path.suffix != ".lock"} if folder.is_dir() else set()


def test_what_is_missing_is_fetched_once_and_then_found(publisher: Publisher, folder: Path) -> None:
    first, second = weights.obtain(publisher.spec(), QUICK), weights.obtain(publisher.spec(), QUICK)
    assert first == second
    assert (first.path, first.sha256) == (folder / "eyes.pth", DIGEST)
    assert publisher.asked == ["whole"]
    assert left(folder) == {"eyes.pth"}


def test_many_who_need_it_at_once_fetch_it_once(publisher: Publisher, folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: weights.obtain(publisher.spec("late"), QUICK).sha256, range(4)))
    assert found == [DIGEST] * 4
    assert publisher.asked == ["late"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("other", "SHA-256"),
        ("short", "cut short|more expected"),
        ("gone", "Not Found"),
        ("silent", "no answer within 0.5 s"),
        ("dripping", "too slow to be done in 2 s"),
    ],
)
def test_what_cannot_be_had_is_said_soon_and_leaves_nothing(
    publisher: Publisher, folder: Path, kind: str, reason: str
) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable, match=rf"^weights missing: Eyes .*127\.0\.0\.1 \(.*({reason}).*weights fetch eyes"):
        weights.obtain(publisher.spec(kind), QUICK)
    assert time.monotonic() - began < 6
    assert "eyes.pth" not in left(folder)


def test_no_server_is_said_at_once(folder: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    spec = Publisher(f"http://127.0.0.1:{port}").spec()
    with pytest.raises(Unavailable, match="refused"):
        weights.obtain(spec, QUICK)
    assert "eyes.pth" not in left(folder)


def test_after_a_failure_nobody_asks_again_for_an_hour_but_whoever_asks_for_the_file(
    publisher: Publisher, folder: Path
) -> None:
    for _ in range(3):
        with pytest.raises(Unavailable, match="Not Found"):
            weights.obtain(publisher.spec("gone"), QUICK)
    assert publisher.asked == ["gone"]
    (mark,) = (path for path in folder.iterdir() if path.name.endswith("not-fetched"))
    hour_ago = time.time() - weights.AGAIN_S - 1
    os.utime(mark, (hour_ago, hour_ago))
    assert weights.obtain(publisher.spec(), QUICK).sha256 == DIGEST
    assert left(folder) == {"eyes.pth"}


def test_asking_for_the_file_ignores_an_earlier_failure(publisher: Publisher, folder: Path) -> None:
    with pytest.raises(Unavailable):
        weights.obtain(publisher.spec("gone"), QUICK)
    assert weights.fetch(publisher.spec()).path == folder / "eyes.pth"
    with pytest.raises(BenchmarkError, match=r"others\.pth could not be fetched .*Not Found"):
        weights.fetch(replace(publisher.spec("gone"), file="others.pth"))


@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_offline_asks_nobody(publisher: Publisher, folder: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(weights.OFFLINE, value)
    with pytest.raises(Unavailable, match=r"BENCHMARK_OFFLINE forbids"):
        weights.obtain(publisher.spec(), QUICK)
    assert publisher.asked == []
    assert left(folder) == set()


def test_the_network_can_be_forbidden_for_all_that_follows(
    publisher: Publisher, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(weights.OFFLINE, "0")
    assert not weights.offline()
    weights.forbid_network()
    assert weights.offline()
    with pytest.raises(Unavailable):
        weights.obtain(publisher.spec(), QUICK)
    assert publisher.asked == []


def test_a_folder_that_cannot_be_written_is_no_crash(
    publisher: Publisher, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path / "file" / "weights"))
    with pytest.raises(Unavailable, match="weights missing"):
        weights.obtain(publisher.spec(), QUICK)


def test_a_download_that_was_given_up_leaves_no_half_file(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="too slow"):
        download(f"{publisher.address}/dripping", tmp_path / "x.pth", "", Patience(0.5, 0.7))
    publisher.closing.set()
    deadline = time.monotonic() + 5
    while left(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left(tmp_path) == set()
