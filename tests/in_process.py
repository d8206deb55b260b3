"""The command line in the test's own process: the same as ``python -m benchmark``, without an interpreter a command.

Folder, environment, search path, standard streams, signal handlers and the registry of plugins are the command's own
while it runs, and the test's again afterwards. Workers are forked from one server, which has torch loaded, as long as
the plugins and the environment stay what they were when it started.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import multiprocessing.forkserver
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmark.registry import plugins

VOLATILE = ("PYTHONPATH", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "COMP_WORDS", "COMP_CWORD", "COLUMNS", "PWD")
"""Environment variables that no worker reads; the search path is compared by what it holds."""
WORKERS = ("run", "data")
"""Commands that may start workers."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)

_server_of: tuple[object, ...] | None = None
"""What the fork server that may be running was started with."""


def run(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What ``python -m benchmark ARGUMENTS`` gives in this folder and environment."""
    from benchmark.cli import main

    code = 0
    with _streams() as streams, _surroundings(arguments, folder, environment):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
            code = 1
    return subprocess.CompletedProcess([*arguments], code, *(stream.getvalue() for stream in streams))


@contextlib.contextmanager
def _surroundings(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    variables, path, argv = dict(os.environ), list(sys.path), sys.argv
    modules, handlers, here = set(sys.modules), {number: signal.getsignal(number) for number in SIGNALS}, os.getcwd()
    searched = [name for name in environment.get("PYTHONPATH", "").split(os.pathsep) if name]
    try:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.path[:0] = [str(folder), *searched]
        sys.argv = ["benchmark", *arguments]
        _forget_plugins()
        if arguments[:1] and arguments[0] in WORKERS:
            _renew_server(environment, searched, folder)
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(variables)
        sys.path[:] = path
        sys.argv = argv
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for name in set(sys.modules) - modules:
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(f"{folder.parent}{os.sep}"):
                del sys.modules[name]
        _forget_plugins()


def _forget_plugins() -> None:
    importlib.invalidate_caches()
    plugins.registry.cache_clear()
    plugins.source_sha256.cache_clear()


def _renew_server(environment: Mapping[str, str], searched: Sequence[str], folder: Path) -> None:
    """A server that knows other plugins or another environment is of no use: end it, so that a run starts a new one."""
    global _server_of
    own = [Path(name) for name in searched if Path(name).is_relative_to(folder.parent)]
    files = [file for home in own for file in sorted(home.rglob("*")) if file.is_file() and file.suffix != ".pyc"]
    wanted = (
        tuple(sorted((name, text) for name, text in environment.items() if name not in VOLATILE)),
        tuple(name for name in searched if Path(name) not in own),
        tuple((file.relative_to(folder.parent).as_posix(), file.read_bytes()) for file in files),
    )
    if wanted != _server_of:
        multiprocessing.forkserver._forkserver._stop()
        _server_of = wanted


@contextlib.contextmanager
def _streams() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """Standard output and error, of Python and of the file descriptors below it."""
    texts = io.StringIO(), io.StringIO()
    before = sys.stdout, sys.stderr
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in texts]
        saved = [os.dup(number) for number in (1, 2)]
        for stream in before:
            stream.flush()
        for number, file in zip((1, 2), files, strict=True):
            os.dup2(file.fileno(), number)
        sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
        try:
            yield texts
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            sys.stdout, sys.stderr = before
            for number, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, number)
                os.close(copy)
            for text, file in zip(texts, files, strict=True):
                file.seek(0)
                text.write(file.read().decode("utf-8"))
