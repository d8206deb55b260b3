"""The embedded data of ``ldct``: torsos at low and at full dose, from one acquisition."""

from __future__ import annotations

import numpy as np

from benchmark.contracts.intensity import Window
from benchmark.contracts.protocols import BuildRequest
from benchmark.data.format.schema import Side
from benchmark_medical import ct, inserts, torso
from benchmark_medical.option_limits import require_usable
from benchmark_medical.options import LdctOptions
from benchmark_medical.subjects import Object, Pair, density, write

HU_WINDOW = Window(-1024, 2000)


def build(request: BuildRequest) -> None:
    """Low-dose and full-dose CT (HU) of torsos with planted low-contrast discs; the low dose is thinned."""
    options = request.options or LdctOptions()
    require_usable(request.task, options)

    def simulate(subject: Object, rng: np.random.Generator) -> Pair:
        radius = inserts.radius_in_pixels(options.signal_mm, subject.grid.pixel)
        sites = inserts.choose(inserts.even_object(subject.maps["hu"]), radius, options.signals, rng)
        planted = inserts.plant(subject.maps["hu"], sites, radius, options.signal_hu)
        full, low = ct.scan_pair(planted, subject.grid.pixel, options.dose, rng, options)
        return Pair(
            np.rint(low).astype(np.int16),
            np.rint(full).astype(np.int16),
            {
                "dose": options.dose,
                "signals": [site.to_json() for site in sites],
                "signal_radius_pixels": radius,
                "signal_hu": options.signal_hu,
                "assumptions": "one energy, no scatter, no tube current modulation, 2-D slices",
            },
        )

    write(
        request,
        torso,
        Side("low-dose CT", "HU", HU_WINDOW),
        Side("CT", "HU", HU_WINDOW),
        lambda rng: {"hu": density(rng)["hu"]},
        simulate,
        options,
    )
