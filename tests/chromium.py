"""A page in the system's Chromium, without a network: driven through its DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_S = 60.0
DRAWN = "!!document.getElementById('viewer')?.dataset.drawn"
"""Whether a report shows its cases; of a page that is not there yet it is not an error to ask."""
PLOTTED = "document.documentElement?.dataset.plots === 'drawn'"
"""Whether a report has drawn its plots."""


def chromium() -> str | None:
    """Where the browser is, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """An open page: what it logged, what it asked the network for, and what it says when asked."""

    def __init__(self, outgoing: int, incoming: int) -> None:
        self._outgoing, self._incoming = outgoing, incoming
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._session: str | None = None
        self.errors: list[str] = []
        self.requests: list[str] = []
        targets = self.ask("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the protocol and wait for its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._outgoing, json.dumps(message).encode() + b"\0")
        for answer in self._messages():
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)
        raise AssertionError("unreachable")

    def _messages(self) -> Iterator[dict[str, Any]]:
        end = time.monotonic() + PATIENCE_S
        while True:
            while b"\0" not in self._buffer:
                if not select.select([self._incoming], [], [], max(0.0, end - time.monotonic()))[0]:
                    raise TimeoutError("the browser does not answer")
                chunk = os.read(self._incoming, 1 << 20)
                if not chunk:
                    raise ConnectionError("the browser ended")
                self._buffer += chunk
            text, _, self._buffer = self._buffer.partition(b"\0")
            yield json.loads(text)

    def _note(self, event: dict[str, Any]) -> None:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(parameters["exceptionDetails"])[:600])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(each.get("value", each.get("description"))) for each in parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.errors.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if not url.startswith(("data:", "blob:")):
                self.requests.append(url)

    def open(self, path: Path, fragment: str = "", wait: str = "document.readyState === 'complete'") -> None:
        """Open a file and wait until an expression holds."""
        self.ask("Page.navigate", url=path.resolve().as_uri() + fragment)
        self.wait(wait)

    def wait(self, expression: str, seconds: float = PATIENCE_S) -> None:
        """Until a JavaScript expression is true."""
        end = time.monotonic() + seconds
        while not self.value(expression):
            if time.monotonic() > end:
                raise TimeoutError(f"still not: {expression}; errors: {self.errors}")
            time.sleep(0.05)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression, or the promise that it is, gives."""
        answer = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:800])
        return answer["result"].get("value")

    def cpu_s(self) -> float:
        """CPU seconds of the page's main thread so far: what it costs, whatever else the machine does."""
        self.ask("Performance.enable", timeDomain="threadTicks")
        metrics = self.ask("Performance.getMetrics")["metrics"]
        return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))

    def press(self, key: str) -> None:
        """Press a key, as a keyboard would."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        code = {"Tab": 9, "Enter": 13, "ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39, " ": 32}
        about = {"key": key, "windowsVirtualKeyCode": code.get(key, ord(key[0].upper())), **text}
        self.ask("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **about)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **about)

    def size(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Set the window's size and the colour scheme that the system prefers."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path, clip: tuple[float, float, float, float] | None = None) -> None:
        """A PNG of the window, or of a part of the page (x, y, width, height)."""
        more: dict[str, Any] = {}
        if clip:
            x, y, width, height = clip
            area = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
            more = {"clip": area, "captureBeyondViewport": True}
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png", **more)["data"]))

    def pdf(self, path: Path) -> None:
        """The page as it is printed."""
        answer = self.ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(answer["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A browser with nothing of the user's and no way out; ``folder`` is for its files."""
    path = chromium()
    assert path is not None
    to_browser, from_us = os.pipe()
    from_browser, to_us = os.pipe()
    options = [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage",
        "--proxy-server=127.0.0.1:9", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}",
        "--remote-debugging-pipe", "about:blank",
    ]  # fmt: skip

    def place_pipes() -> None:
        # the browser reads commands from descriptor 3 and answers on 4; out of the way of both first
        kept = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10) for descriptor in (to_browser, to_us)]
        os.dup2(kept[0], 3)
        os.dup2(kept[1], 4)

    process = subprocess.Popen(
        [path, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=place_pipes,
        close_fds=False,
        start_new_session=True,
    )
    os.close(to_browser)
    os.close(to_us)
    try:
        page = Page(from_us, from_browser)
        yield page
        page._session = None
        page.ask("Browser.close")
    finally:
        os.close(from_us)
        os.close(from_browser)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
