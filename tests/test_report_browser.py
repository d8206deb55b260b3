"""The report in the system's Chromium, the network cut: no request, no error, tables sort, pixels are the files'."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import DRAWN, PLOTTED, Page, browser, chromium
from made_runs import Catalogue, MadeRun
from test_channels import write as write_channels
from test_report import HOSTILE

from benchmark.report import gather, write_report

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="no Chromium or Chrome on this machine"),
]
BUSY_S = 300.0
"""How long all plots may take: two seconds of CPU, of which a machine may have little to give."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    made = MadeRun(tmp_path_factory.mktemp("runs") / "run", slices=4, side=16)
    for number, name in enumerate(("good", "middling", "bad", *HOSTILE)):
        made.add(name, 10.0 + 40 * number)
    made.add("broken", 0.0, state="failed", reason="<b>the disk was full</b>")
    return made


@pytest.fixture(scope="module")
def file(run: MadeRun) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gather, "registry", Catalogue)
        return write_report([run.path]).path


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(window: Page, file: Path) -> Iterator[Page]:
    """The report, freshly opened; whatever a test does there, nothing may be asked for or go wrong."""
    window.errors.clear()
    window.requests.clear()
    window.size(1200)
    window.open(Path("/dev/null"))
    window.open(file, "#cases?", wait=f"document.readyState === 'complete' && {DRAWN}")
    yield window
    window.wait("true")
    assert window.errors == []
    assert {request.partition("#")[0] for request in window.requests} <= {file.resolve().as_uri(), "file:///dev/null"}


def test_every_plot_is_drawn(page: Page) -> None:
    page.wait(PLOTTED, BUSY_S)
    page.value("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.value("report.drawAll()")
    places = page.value("document.querySelectorAll('[data-chart]').length")
    assert places >= 5
    assert page.value("document.querySelectorAll('[data-chart] svg.marks').length") == places


def test_plots_are_drawn_where_the_browser_is_never_idle(page: Page, file: Path) -> None:
    """As on a machine with more to do than it can: no idle time ever comes, nor a frame."""
    never = "window.requestIdleCallback = (call, { timeout } = {}) => (timeout ? setTimeout(call, timeout) : 0);"
    script = page.ask(
        "Page.addScriptToEvaluateOnNewDocument", source=f"{never} window.requestAnimationFrame = () => 0;"
    )
    page.open(Path("/dev/null"))
    page.open(file, wait=PLOTTED)
    page.ask("Page.removeScriptToEvaluateOnNewDocument", **script)


def test_channels_have_windows_of_their_own_and_one_patient_is_enough(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "registry", Catalogue)
    made = MadeRun(tmp_path / "two", data=write_channels(tmp_path / "two.h5"), task="mp-ct")
    alone = MadeRun(tmp_path / "alone", patients=1)
    for run in (made, alone):
        run.add("a", 5.0)
        run.add("b", 9.0)
    for run, keys in ((alone, ["source", "target", "0", "1"]), (made, ["source", "source-1", "target", "0", "1"])):
        file = write_report([run.path]).path
        page.requests.clear()
        page.open(Path("/dev/null"))
        page.open(file, "#cases?", wait=DRAWN)
        page.wait(PLOTTED, BUSY_S)
        assert page.value("report.viewer.keys()") == keys
        assert page.value("document.querySelectorAll('#viewer canvas[data-panel]').length") == len(keys)
        assert all(request.startswith(("file:///dev/null", file.resolve().as_uri())) for request in page.requests)
    page.requests.clear()
    page.value("report.viewer.setWindow('source-1', 4, 3)")
    widths = page.value("['source-1', 'target'].map((key) => report.viewer.windowOf(key).width)")
    assert widths == [4, 3024]
    groups = "[...document.querySelectorAll('.controls fieldset')].filter((one) => !one.hidden)"
    shown = page.value(f"{groups}.map((one) => one.textContent)")
    assert sum("window, FDG-PET" in text for text in shown) == 1
    link = page.value("report.viewer.link()")
    assert "source-1Window=4%2C3" in link
    page.value("report.viewer.reset()")
    page.value(f"(() => {{ location.hash = {link!r}; return report.viewer.restore(); }})()")
    assert page.value("report.viewer.state.windows['source-1']") == {"width": 4, "level": 3}


def test_a_table_of_fewer_models_may_take_its_time(page: Page, run: MadeRun, tmp_path: Path) -> None:
    """What was to be said of the last table's images must not ask the next one for their names."""
    few = MadeRun(tmp_path / "few", task="pet-ct")
    few.add("alone", 5.0)
    page.open(Path("/dev/null"))
    page.open(write_report([run.path, few.path], tmp_path / "two.html").path, "#cases?", wait=DRAWN)
    page.requests.clear()
    most, fewest = page.value(
        "(() => { const counts = report.viewer.galleries.map((each) => each.models.length);"
        " return [counts.indexOf(Math.max(...counts)), counts.indexOf(Math.min(...counts))]; })()"
    )
    page.value(f"report.viewer.choose({most}, 0)")
    page.value("(() => { const soon = report.image; report.image = async (...all) => {"
               " await new Promise((done) => setTimeout(done, 500)); return soon(...all); }; })()")  # fmt: skip
    page.value(f"(async () => {{ report.viewer.draw(); await report.viewer.choose({fewest}, 0); }})()")
    page.wait("document.querySelectorAll('#viewer canvas[data-panel]').length === 3")


def test_a_request_would_be_noticed_and_is_refused(page: Page) -> None:
    page.value("fetch('http://127.0.0.1:9/').catch(() => 0)")
    page.value("new Promise((done) => setTimeout(done, 200))")
    assert page.errors or page.requests
    page.errors.clear()
    page.requests.clear()


def test_tables_sort_filter_hide_and_copy(page: Page) -> None:
    tables = page.value("document.querySelectorAll('[data-sheet]').length")
    assert tables >= 3
    sorted_ones = page.value("""
        [...document.querySelectorAll('[data-sheet]')].map((sheet) => {
          const table = sheet.querySelector('table');
          return [...table.tHead.rows[0].cells].every((header, column) => {
            const read = () => [...table.tBodies[0].rows].map((row) => row.cells[column])
              .map((cell) => (cell.dataset.v ? Number(cell.dataset.v) : cell.textContent.trim()));
            header.querySelector('button').click();
            const up = read().filter((value) => value !== '–' && value !== '');
            header.querySelector('button').click();
            const down = read().filter((value) => value !== '–' && value !== '');
            const ordered = (list) => list.every((value, at) => !at || (typeof value === 'number'
              ? list[at - 1] <= value : list[at - 1].localeCompare(value, undefined, { numeric: true }) <= 0));
            return ordered(up) && ordered(down.reverse()) && header.getAttribute('aria-sort') === 'descending';
          });
        })""")
    assert sorted_ones == [True] * tables
    shown = page.value("""(() => {
        const sheet = document.querySelector('[data-sheet]');
        const filter = sheet.querySelector('input[type=search]');
        filter.value = 'MIDDL';
        filter.dispatchEvent(new Event('input'));
        sheet.querySelector('.tools details input').click();
        sheet.querySelector('.tools > button').click();
        return [...sheet.querySelectorAll('tbody tr')].filter((row) => !row.hidden).length;
    })()""")
    assert shown == 1
    page.wait("!!report.copied")
    header, row = page.value("report.copied").strip().splitlines()
    assert not header.startswith("rank")
    assert row.startswith("middling")


def test_hostile_names_run_nothing_and_copy_as_text(page: Page) -> None:
    assert page.value("document.querySelectorAll('img, b b').length") == 0
    assert page.value("document.querySelectorAll('main [onerror]').length") == 0
    page.value("document.querySelector('[data-sheet] .tools > button').click()")
    page.wait("!!report.copied")
    assert "'=HYPERLINK(1)" in page.value("report.copied")


def shades(page: Page, panel: str, rows: int, columns: int) -> Any:
    """The shade at the middle of each of the picture's pixels."""
    return np.array(
        page.value(f"""(() => {{
        const canvas = document.querySelector('canvas[data-panel="{panel}"]');
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {{ willReadFrequently: true }});
        copy.drawImage(canvas, 0, 0);
        const data = copy.getImageData(0, 0, canvas.width, canvas.height).data;
        const rows = [];
        for (let row = 0; row < {rows}; row++) {{
          rows.push([]);
          for (let column = 0; column < {columns}; column++) {{
            const x = Math.floor(((column + 0.5) * canvas.width) / {columns});
            const y = Math.floor(((row + 0.5) * canvas.height) / {rows});
            rows[row].push(data[4 * (y * canvas.width + x)]);
          }}
        }}
        return rows;
    }})()""")
    )


def choose(page: Page, patient: str, plane: int, slice_: int) -> None:
    page.value(f"""(async () => {{
        const viewer = report.viewer;
        viewer.state.plane = {plane};
        viewer.state.slice = {slice_};
        await viewer.choose(0, viewer.gallery().cases.findIndex((each) => each.patient === '{patient}'));
    }})()""")
    page.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_pixels_are_those_of_the_files_at_the_full_window(page: Page, run: MadeRun) -> None:
    window = run.info.target_map
    for place, (key, target) in enumerate(run.targets.items()):
        choose(page, key.patient, 0, place + 1)
        for panel, error in (("target", 0.0), ("0", 10.0), ("2", 90.0)):
            share = np.clip((target[place + 1].astype(np.float64) + error - window.low) / window.width, 0, 1)
            assert (shades(page, panel, 16, 16) == np.floor(share * 255 + 0.5)).all()


def test_pixels_are_right_in_another_window_and_in_the_other_planes(page: Page, run: MadeRun) -> None:
    key, target = next(iter(run.targets.items()))
    step = run.info.target_map.width / (255 * page.value("report.viewer.current().finer"))
    page.value("report.viewer.setWindow('target', 1800, 400)")
    for plane, shown in ((0, target[2]), (1, target[::-1, 5, :]), (2, target[::-1, :, 5])):
        choose(page, key.patient, plane, 2 if plane == 0 else 5)
        wanted = np.clip((shown.astype(np.float64) - (400 - 900)) / 1800, 0, 1) * 255
        assert np.abs(shades(page, "target", *shown.shape) - wanted).max() <= step / 2 / 1800 * 255 + 0.51


def test_differences_have_signs(page: Page, run: MadeRun) -> None:
    key = next(iter(run.targets))
    choose(page, key.patient, 0, 1)
    page.value("report.viewer.state.mode = 'difference'; report.viewer.state.spread = 100; report.viewer.refresh()")
    page.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    figure = """document.querySelector('canvas[data-panel="0"]').closest('figure')"""
    caption = page.value(f"{figure}.querySelector('.readout').textContent")
    assert "PSNR" in caption
    assert "mean +10 HU" in caption or "mean +9" in caption


def test_all_of_it_works_by_keyboard(page: Page) -> None:
    page.value("report.viewer.grid.focus()")
    before = page.value("[report.viewer.state.slice, report.viewer.state.case]")
    page.press("ArrowUp")
    page.press("ArrowRight")
    page.wait(f"report.viewer.state.case !== {before[1]} && {DRAWN}")
    assert page.value("report.viewer.state.slice") == before[0] - 1
    for mode in ("difference", "curtain", "image"):
        page.press("m")
        assert page.value("report.viewer.state.mode") == mode
    page.press("v")
    assert page.value("report.viewer.plane().name") == "coronal"
    page.press("+")
    assert page.value("report.viewer.state.zoom") > 1
    page.press("p")
    assert page.value("report.viewer.state.windows.target.width") == 1800
    page.press("r")
    assert page.value("[report.viewer.state.zoom, report.viewer.state.windows.target]") == [1, None]
    unreachable = page.value("""
        [...document.querySelectorAll('button, select, input, summary, a[href]')]
          .filter((each) => each.offsetParent && (each.tabIndex < 0 || !(each.getAttribute('aria-label') ||
            each.textContent.trim() || each.placeholder || each.closest('label')?.textContent.trim())))
          .map((each) => each.outerHTML.slice(0, 120))""")
    assert unreachable == []


def test_a_link_brings_the_state_back(page: Page, file: Path) -> None:
    page.value("Object.assign(report.viewer.state, { mode: 'curtain', a: 'target', b: '2', zoom: 2, slice: 1 })")
    page.value("report.viewer.setWindow('target', 400, 40)")
    link = page.value("report.viewer.link()")
    page.open(Path("/dev/null"))
    page.open(file, link, wait=f"document.readyState === 'complete' && {DRAWN}")
    again = page.value("['mode', 'a', 'b', 'zoom', 'slice'].map((key) => report.viewer.state[key])")
    assert again == ["curtain", "target", "2", 2, 1]
    assert page.value("report.viewer.state.windows.target") == {"width": 400, "level": 40}


@pytest.mark.parametrize("width", [1400, 800, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_every_screen(page: Page, width: int, dark: bool) -> None:
    page.size(width, dark=dark)
    page.wait(PLOTTED, BUSY_S)
    page.wait(f"document.documentElement.scrollWidth <= {width}")  # plots are drawn again for the new width
    white = "getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'"
    page.wait(f"({white}) === {'false' if dark else 'true'}")


def test_it_prints(page: Page, tmp_path: Path) -> None:
    page.wait(PLOTTED, BUSY_S)
    page.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_the_next_slice_makes_no_new_elements(page: Page) -> None:
    """That is what cost the frames: lists of choices and titles written anew for each slice."""
    made = page.value("""(async () => {
        const viewer = report.viewer, frame = () => new Promise((done) => requestAnimationFrame(done));
        let made = 0;
        const watcher = new MutationObserver((changes) => {
          for (const change of changes) made += [...change.addedNodes].filter((node) => node.nodeType === 1).length;
        });
        viewer.state.slice = 0;
        viewer.refresh();
        await frame();
        watcher.observe(viewer.home, { childList: true, subtree: true });
        const before = viewer.home.dataset.drawn;
        for (let at = 0; at < 3; at++) {
          viewer.step(1);
          await frame();
          await frame();
        }
        return [made, viewer.home.dataset.drawn !== before];
    })()""")
    assert made == [0, True]


def test_slices_follow_the_wheel(page: Page) -> None:
    """Thirty pictures a second, of the page's own CPU time: the machine does other things as well."""
    page.wait(PLOTTED, BUSY_S)
    frames, began = 30, page.cpu_s()
    page.value(f"""(async () => {{
        for (let at = 0; at < {frames}; at++) {{
          report.viewer.step(at % 4 < 2 ? 1 : -1);
          await new Promise((done) => requestAnimationFrame(done));
        }}
    }})()""")
    cost = page.cpu_s() - began
    assert 0 < cost < 1.0
