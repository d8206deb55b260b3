"""The site in the system's Chromium, opened from a folder with the network cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from chromium import browser, chromium
from made_runs import Catalogue, MadeRun
from test_report import HOSTILE

from benchmark.report import gather, site_history
from benchmark.report.site import write_site

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="no Chromium or Chrome on this machine"),
]


def test_every_page_opens_from_a_folder_and_fits_a_phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gather, site_history):
        monkeypatch.setattr(module, "registry", Catalogue)
    monkeypatch.setattr("benchmark.runs.read.registry", Catalogue)
    runs = [MadeRun(tmp_path / name) for name in ("first", "second")]
    for run in runs:
        for number, name in enumerate(("good", "bad", *HOSTILE)):
            run.add(name, 10.0 + 40 * number)
    public = tmp_path / "public"
    write_site(public, [run.path for run in runs], cases=False)
    pages = sorted(page for page in public.rglob("*.html") if page.name != "report.html")
    (tmp_path / "browser").mkdir()
    with browser(tmp_path / "browser") as window:
        window.size(390)
        for page in pages:
            window.open(page)
            assert window.value("document.documentElement.scrollWidth") <= 390, page.name
        window.open(next((public / "tables").iterdir()))
        orders = []
        for _ in range(2):
            window.value("document.querySelectorAll('thead button')[1].click()")
            orders.append(window.value("[...document.querySelectorAll('tbody th')].map((cell) => cell.textContent)"))
        assert len(orders[0]) == 2 * (2 + len(HOSTILE))
        assert orders[1] == orders[0][::-1]
        assert window.errors == []
        assert all(request.startswith("file://") for request in window.requests)
