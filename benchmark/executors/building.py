"""Data are built once, however many runs on however many hosts need them at this moment."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from benchmark.errors import Interrupted
from benchmark.plan.expand import BuildJob
from benchmark.registry.plugins import registry
from benchmark.settings.statement import LOST_SECONDS
from benchmark.store.holder import this_process
from benchmark.store.lease import Held, Leases, Watch

BUILDING = ".building"
"""Folder beside the data sets with the leases of those who build them."""
POLL_SECONDS = 0.5


def build_once(job: BuildJob, should_stop: Callable[[], object]) -> None:
    """Build a data set under a lease, or wait for whoever builds it; nothing if it is there.

    Raises:
        Interrupted: asked to stop while another was building.
        DatasetError: the builder gave a file that cannot be used.
    """
    from benchmark.plan.embedded_data import build

    path = Path(job.path)
    leases, watch = Leases(path.parent / BUILDING), Watch()
    name = hashlib.sha256(path.name.encode()).hexdigest()[:16]
    while not path.is_file():
        standing = leases.of(name)
        dead = standing is not None and watch.gone(standing, LOST_SECONDS)
        try:
            lease = leases.take(name, this_process(), standing.token if standing is not None and dead else None)
        except Held:
            if should_stop():
                raise Interrupted(f"stopped while another process was building {path.name}") from None
            time.sleep(POLL_SECONDS)
            continue
        try:
            with lease.kept():
                if not path.is_file():
                    build(job, registry(), lease.path)
        finally:
            lease.drop()
