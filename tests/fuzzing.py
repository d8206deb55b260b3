"""Damaged files, and a process in which reading them may hang or crash without taking the tests along."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import random
import resource
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import BenchmarkError

Mutation = Callable[[bytearray, random.Random], None]
Reader = Callable[[Path], object]

SECONDS = 20
"""A file that takes longer to be read is said to hang."""
MEMORY = 3 << 30
"""How much more memory than before reading may take, in bytes."""
MANY = int(os.environ.get("BENCHMARK_FUZZED_FILES", "400"))
"""Damaged files of a format in the tests marked slow; 2,000 are asked before a release (RELEASING.md)."""


def counts(few: int) -> pytest.MarkDecorator:
    """The test is asked with ``few`` damaged files by default, with many where slow tests run."""
    return pytest.mark.parametrize("count", [few, pytest.param(MANY, marks=pytest.mark.slow)])


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def flip_one_bit(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def set_some_bytes(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randrange(2, 30)):
        data[rng.randrange(len(data))] = rng.randrange(256)


def blank_a_block(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    stop = min(len(data), start + rng.randrange(1, 512))
    data[start:stop] = bytes([rng.choice((0, 255))]) * (stop - start)


def move_a_block(data: bytearray, rng: random.Random) -> None:
    start, length = rng.randrange(len(data)), rng.randrange(1, 256)
    block = bytes(data[start : start + length])
    place = rng.randrange(len(data))
    data[place : place + len(block)] = block


def insert_a_block(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(data))
    data[place:place] = rng.randbytes(rng.randrange(1, 64))


def leave_out_a_block(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    del data[start : start + rng.randrange(1, 64)]


def set_a_large_number(data: bytearray, rng: random.Random) -> None:
    width = rng.choice((2, 4, 8))
    place = rng.randrange(max(1, len(data) - width))
    value = rng.choice((0, 1, (1 << 8 * width) - 1, 1 << (8 * width - 1), rng.getrandbits(8 * width)))
    data[place : place + width] = value.to_bytes(width, "little")


def replace_a_word(data: bytearray, rng: random.Random) -> None:
    """For text: put something that means something in place of something."""
    words = [
        b"null",
        b"-1",
        b"1e999",
        b"NaN",
        b"[]",
        b"{}",
        b'""',
        b"true",
        b'"../../x"',
        b"[" * 3000,
        b"9" * 400,
        b"\\u0000",
    ]
    marks = [place for place, byte in enumerate(data) if byte in b'",:={}[]\n ']
    if len(marks) < 2:
        return
    start = rng.randrange(len(marks) - 1)
    data[marks[start] + 1 : marks[start + 1]] = rng.choice(words)


BYTES: tuple[Mutation, ...] = (
    cut,
    flip_one_bit,
    set_some_bytes,
    blank_a_block,
    move_a_block,
    insert_a_block,
    leave_out_a_block,
    set_a_large_number,
)
TEXT: tuple[Mutation, ...] = (*BYTES, *[replace_a_word] * len(BYTES))


def mutated(original: bytes, seed: int, mutations: Sequence[Mutation] = BYTES) -> bytes:
    """A damaged copy; the same seed damages in the same way."""
    rng = random.Random(seed)
    data = bytearray(original)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if data:
            rng.choice(mutations)(data, rng)
    return bytes(data)


def other_json(value: Any, rng: random.Random) -> Any:
    """A JSON value with one part of it replaced by something else, left out or doubled."""
    value = json.loads(json.dumps(value))
    places: list[tuple[Any, Any]] = []

    def collect(node: Any) -> None:
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                collect(node[key])

    collect(value)
    node, key = rng.choice(places)
    strange = [
        None,
        -1,
        0,
        1e308,
        "",
        "x" * 300,
        "../../x",
        "\x1b[31m",
        [],
        {},
        [[]],
        {"a": None},
        True,
        [1, 2],
        10**30,
    ]
    action = rng.randrange(4)
    if action == 0:
        del node[key]
    elif action == 1 and isinstance(node, dict):
        node[rng.choice(("", "x", "state", "../x"))] = node.pop(key)
    else:
        node[key] = rng.choice(strange)
    return value


def outcomes(read: Reader, path: Path, make: Callable[[int], bytes], count: int) -> Counter[str]:
    """Write ``make(seed)`` to ``path`` and read it, for every seed below ``count``; how often it was read, and refused.

    Raises:
        AssertionError: a file hung or crashed the reader, or was refused in any other way than by an error of ours
            that names it in printable words.
    """
    counts: Counter[str] = Counter()
    seed = 0
    while seed < count:
        here, there = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=_read_many, args=(there, read, path, make, seed, count), daemon=True
        )
        process.start()
        there.close()
        try:
            while seed < count:
                assert here.poll(SECONDS), f"seed {seed}: reading takes more than {SECONDS} s"
                outcome = here.recv()
                assert outcome in ("read", "refused"), f"seed {seed}: {outcome}"
                counts[outcome] += 1
                seed += 1
        except EOFError:
            process.join()
            raise AssertionError(f"seed {seed}: the reader died with exit code {process.exitcode}") from None
        finally:
            process.kill()
            process.join()
    return counts


def _read_many(
    pipe: Connection, read: Reader, path: Path, make: Callable[[int], bytes], first: int, count: int
) -> None:
    with open("/proc/self/statm", encoding="ascii") as usage:
        used = int(usage.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    for seed in range(first, count):
        path.write_bytes(make(seed))
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            outcome = _outcome(read, path)
        pipe.send(outcome)
    pipe.close()
    os._exit(0)


def _outcome(read: Reader, path: Path) -> str:
    try:
        read(path)
    except BenchmarkError as error:
        words = str(error)
        if path.name not in words:
            return f"the error does not name the file: {words!r}"
        if not all(char.isprintable() or char == "\n" for char in words):
            return f"the error is not printable: {words!r}"
        return "refused"
    except BaseException:
        return traceback.format_exc()
    return "read"
