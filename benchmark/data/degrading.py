"""Make the pairs of a task out of imported clean images: the image is the target, a simulator makes the source.

What comes out says so everywhere: real images stay marked as such only together with the words *simulated
degradation*.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmark.contracts.protocols import CleanStudy, Degrader
from benchmark.contracts.specs import DegraderSpec
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import SPLITS, CaseKey, Side
from benchmark.data.format.writer import DatasetWriter
from benchmark.errors import DatasetError, UsageError

if TYPE_CHECKING:
    import numpy as np

Role = Literal["source", "target"]


@dataclass(frozen=True)
class Request:
    """Which images of which file are degraded, how, and where the pairs go."""

    spec: DegraderSpec
    options: Any
    file: Path
    output: Path
    side: Role | None = None
    """Which side is clean; ``None``: the one in the degrader's unit, the target if both are."""
    seed: int = 0


def degrade(request: Request, report: Callable[[str], None] = lambda _: None) -> int:
    """Write the pairs into one ``mi2i/1`` file; returns how many studies there are.

    A study that cannot be degraded is reported and left out. Patients keep their splits.

    Raises:
        UsageError: the file has no side in the degrader's unit, or it is its own output, or is not paired.
        DatasetError: the file is broken, or nothing is left of it.
    """
    spec = request.spec
    if request.output.resolve() == request.file.resolve():
        raise UsageError(f"--out {request.output}: that is the file with the clean images; name another")
    with Dataset(request.file) as dataset:
        info = dataset.info
        if not info.paired:
            raise UsageError(f"{request.file}: its training images are not paired; import the clean images alone")
        if len(info.sources) > 1:
            raise UsageError(
                f"{request.file}: its source has {len(info.sources)} channels; import the clean images alone (--clean)"
            )
        role = _clean_side(request, info.source, info.target)
        clean = info.source if role == "source" else info.target
        real = info.degraded or not info.simulated
        with DatasetWriter(
            request.output,
            task=spec.task,
            name=request.output.stem,
            source=Side(f"{clean.modality} {spec.suffix}", clean.unit, clean.window),
            target=clean,
            simulated=True,
            mirror_safe=info.mirror_safe,
            provenance={
                **info.provenance,
                "degradation": {
                    "by": spec.name,
                    "of_real_images": real,
                    "clean_images": f"{role} of {info.name} {info.content_sha256[:8]}",
                    "options": asdict(request.options) if request.options is not None else {},
                    "seed": request.seed,
                },
            },
        ) as writer:
            degrader: Degrader = spec.load()(request.options)
            patients = set(_degraded(request, dataset, role, degrader, writer, report))
            if not patients:
                raise DatasetError(f"{request.file}: not one study could be degraded")
            writer.set_splits({split: [p for p in info.splits[split] if p in patients] for split in SPLITS})
    return len(patients)


def _degraded(
    request: Request,
    dataset: Dataset,
    role: Role,
    degrader: Degrader,
    writer: DatasetWriter,
    report: Callable[[str], None],
) -> Iterator[str]:
    """Degrade study by study; gives the patient of each that was written."""
    import numpy as np

    for key in dataset.info.cases:
        case = dataset.load(key)
        image, other = (case.source, case.target) if role == "source" else (case.target, case.source)
        side = dataset.info.target if role == "source" else dataset.info.source
        alone = np.array_equal(image, other)
        study = CleanStudy(image, None if alone else other, side.unit, case.mask, case.spacing)
        try:
            pair = degrader.degrade(study, _random(request.seed, key))
            writer.add_case(
                key.patient,
                key.study,
                source=pair.source,
                target=pair.target,
                mask=case.mask,
                labels=case.labels,
                spacing=case.spacing,
                affine=case.affine,
                physics={**dataset.physics(key), **pair.physics, "degradation": f"simulated: {request.spec.name}"},
                origins={to: origin for to in ("source", "target") if (origin := dataset.origins(key).get(role))},
            )
        except DatasetError as fault:
            report(f"skipped {key}: {fault}")
            continue
        report(f"{key}: degraded")
        yield key.patient


def _clean_side(request: Request, source: Side, target: Side) -> Role:
    """Which side to degrade.

    Raises:
        UsageError: none is in the degrader's unit, or the one that was asked for is not.
    """
    sides: dict[Role, Side] = {"target": target, "source": source}
    if request.side is not None:
        sides = {request.side: sides[request.side]}
    for role, side in sides.items():
        if side.unit == request.spec.unit:
            return role
    units = " and ".join(f"{side.unit} ({role})" for role, side in sides.items())
    raise UsageError(f"{request.spec.name} degrades images in {request.spec.unit}; {request.file} has {units}")


def _random(seed: int, key: CaseKey) -> np.random.Generator:
    """A random stream of a study's own, so that it does not depend on the others."""
    import numpy as np

    return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(str(key).encode())]))
