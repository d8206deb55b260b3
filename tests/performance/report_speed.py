"""What a report costs: ``python tests/performance/report_speed.py RUN [--no-cases]``.

CPU, peak memory and size of making it, in a process of its own; where Chromium is installed, the time to its first
paint and how many slices a second all panels of its largest case show. Asked for: 10 s, 1 GB and 15 MB for the full
small grid, 60 s and 25 MB without cases for 10,000 cells, 1 s, 30 a second.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parent.parent
FRAMES = 90
LARGEST = """(async () => {
    const { viewer } = report;
    const sizes = viewer.galleries.map((each) => each.models.length * each.cases[0].shape.reduce((a, b) => a * b));
    await viewer.choose(sizes.indexOf(Math.max(...sizes)), 0);
    document.getElementById('viewer').scrollIntoView();
    await new Promise((done) => requestAnimationFrame(done));
    return [viewer.keys().length, viewer.current().shape];
})()"""
SCROLL = f"""(async () => {{
    const {{ viewer }} = report, {{ count }} = viewer.extent(), began = performance.now();
    for (let at = 0; at < {FRAMES}; at++) {{
        viewer.step(at % (2 * count - 2) < count - 1 ? 1 : -1);
        await new Promise((done) => requestAnimationFrame(done));
    }}
    return {FRAMES} * 1000 / (performance.now() - began);
}})()"""


def main() -> None:
    """Measure and print a line for each figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--no-cases", action="store_true")
    parser.add_argument("--to", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = asked.to or Path(folder) / "report.html"
        command = [sys.executable, "-m", "benchmark", "report", str(asked.run), "--to", str(report)]
        subprocess.run([*command, *(["--no-cases"] if asked.no_cases else [])], check=True)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"made with {used.ru_utime + used.ru_stime:.1f} s of CPU and {used.ru_maxrss / 1e6:.2f} GB of memory")
        print(f"{report.stat().st_size / 1e6:.2f} MB")
        shown(report, Path(folder), cases=not asked.no_cases)


def shown(report: Path, folder: Path, *, cases: bool) -> None:
    """Open a report and scroll through its largest case."""
    sys.path.insert(0, str(TESTS))
    from chromium import DRAWN, PLOTTED, browser, chromium

    if chromium() is None:
        print("no Chromium: not opened")
        return
    with browser(folder) as page:
        page.size(1400)
        page.open(report)
        paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
        page.wait(f"({paint}) > 0")
        print(f"first paint after {page.value(paint) / 1000:.2f} s")
        page.wait(PLOTTED, 300)
        drawn = page.value("performance.now()")
        plots = page.value("document.querySelectorAll('svg.marks').length")
        print(f"all {plots} plots after {drawn / 1000:.1f} s")
        if cases:
            page.open(report, "#cases?", wait=DRAWN)
            page.wait(PLOTTED, 300)
            images, shape = page.value(LARGEST)
            began, rate = page.cpu_s(), page.value(SCROLL)
            cost = 1000 * (page.cpu_s() - began) / FRAMES
            print(f"{images} images of {' x '.join(map(str, shape))}:")
            print(f"{rate:.0f} slices a second, {cost:.1f} ms of the page's CPU time for each")
        if page.errors:
            raise SystemExit("\n".join(page.errors))


if __name__ == "__main__":
    main()
