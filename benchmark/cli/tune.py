"""``benchmark tune``."""

from __future__ import annotations

import signal
from typing import Any

from benchmark.cli.settings import options_from, read
from benchmark.errors import Interrupted
from benchmark.tuning.statement import TuneSettings


@options_from(TuneSettings)
def tune(**typed: Any) -> None:
    """Give each model the same number of trials on validation patients, and write a grid of the best.

    Search spaces are declared with the options ('benchmark show model NAME'); Optuna keeps the trials, which are cells
    of a run. The same command continues; with more --trials it goes on.

    benchmark tune --models pix2pix,medgan,unet-l1 --task mr-ct --trials 12
    """
    from benchmark.cli.live import display
    from benchmark.cli.text import echo, warn
    from benchmark.registry.plugins import registry
    from benchmark.tuning.tune import Tuning

    warn(registry().warnings())
    tuning = Tuning(TuneSettings(**read(TuneSettings, typed)))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        tuned = tuning.run(lambda planned: display(planned, plain=tuning.executor.spec.foreground))
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command continues where it stopped") from None
    for best in tuned.best:
        before = "" if best.untuned is None else f", untuned {best.untuned:.4g}"
        failed = f", {best.failed} failed" if best.failed else ""
        echo(f"{best.entry.model}: {tuned.metric} {best.value:.4g}{before} ({best.trials} trials{failed})")
    echo(f"{tuned.grid}; on test patients: benchmark run --grid {tuned.grid} --seeds 3")
