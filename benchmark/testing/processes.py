"""Work in a process of its own, so that it can be killed and leaves nothing behind in this one."""

from __future__ import annotations

import os
import signal
import traceback
import warnings
from collections.abc import Callable

LIMIT_SECONDS = 300


def in_child(work: Callable[[], object]) -> str:
    """Run ``work`` in a forked process on one thread; returns why it ended early, empty if it did not.

    The reason is the exception's kind and text, or the signal that killed the process. What it prints is lost, and
    no CUDA device can be used in it.
    """
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        # newer Pythons warn of threads that a fork leaves behind; the child starts none of torch's and asks for none
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(ours)
        _work_and_leave(work, theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        took = f" (longer than {LIMIT_SECONDS} s)" if number == signal.SIGALRM else ""
        return f"killed by {signal.Signals(number).name}{took}"
    if os.WEXITSTATUS(status) and not said:
        return f"exited with {os.WEXITSTATUS(status)}"
    return said


def _work_and_leave(work: Callable[[], object], pipe: int) -> None:
    """The child's whole life. It never returns, so that nothing of the parent's is cleaned up twice."""
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LIMIT_SECONDS)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        import torch

        torch.set_num_threads(1)
        torch.cuda.is_available = lambda: False  # a fork cannot use the parent's CUDA
        work()
        code = 0
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({os.path.basename(place.filename)}, line {place.lineno})"
        os.write(pipe, text.encode(errors="replace"))
    finally:
        os._exit(code)
