"""A real browser without a screen: Chromium, asked by its DevTools protocol over two pipes. It needs no driver.

    with Browser() as browser:
        page = browser.open(path, width=375, dark=True)
        page.value("document.title"); page.press("Tab"); page.screenshot(); page.said, page.asked

What the protocol is called there: https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import needs

WAIT_S = 60
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # root has no other
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--no-first-run",
    "--no-proxy-server",
)
_KEYS = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39, " ": 32}


class Browser:
    """One Chromium with a profile of its own."""

    def __init__(self):
        needs.require("chromium")
        self._home = tempfile.mkdtemp(prefix="vnic-chromium-")
        theirs, self._to = os.pipe()
        self._from, answers = os.pipe()
        command = [shutil.which("chromium"), *_FLAGS, f"--user-data-dir={self._home}", "about:blank"]
        low = [os.dup(fd) for fd in (theirs, answers)]  # 3 and 4 may be one of ours
        script = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", script, "chromium", *map(str, low), *command],
            pass_fds=low,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=needs.others_env() | {"HOME": self._home},
            start_new_session=True,
        )
        for fd in (theirs, answers, *low):
            os.close(fd)
        self._numbers = itertools.count(1)
        self._rest = b""
        self.events = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError, AssertionError):
            self.call("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for fd in (self._to, self._from):
            os.close(fd)
        shutil.rmtree(self._home, ignore_errors=True)

    def _message(self, until):
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0, until - time.monotonic()))
            assert ready, "Chromium does not answer"
            piece = os.read(self._from, 1 << 16)
            assert piece, "Chromium has ended"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def call(self, method, session=None, **params):
        """Ask, and return the answer. Events that come meanwhile are kept."""
        number, until = next(self._numbers), time.monotonic() + WAIT_S
        asked = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._to, json.dumps(asked).encode() + b"\0")
        while True:
            message = self._message(until)
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self.events.append(message)

    def wait_for(self, method, session):
        """Wait until an event came."""
        until = time.monotonic() + WAIT_S
        while not any(e.get("method") == method and e.get("sessionId") == session for e in self.events):
            self.events.append(self._message(until))

    def open(self, path, **how):
        """Open a file, or an http:// address, in a window of its own."""
        return Page(self, path, **how)


class Page:
    """A file that is open. ``width``, ``height``: of the window; ``dark``, ``still``: what the reader prefers."""

    def __init__(self, browser, path, *, width=1280, height=800, dark=False, still=True, scripts=True):
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._target = target
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        self.prefer(dark=dark, still=still)
        if not scripts:
            self.call("Emulation.setScriptExecutionDisabled", value=True)
        self.url = path if str(path).startswith("http://") else Path(path).resolve().as_uri()
        self.call("Page.navigate", url=self.url)
        browser.wait_for("Page.loadEventFired", self._session)
        if scripts:
            self.settle()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._browser.call("Target.closeTarget", targetId=self._target)

    def call(self, method, **params):
        return self._browser.call(method, self._session, **params)

    def resize(self, width, height=800):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, *, dark=False, still=True, paper=False):
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        self.call("Emulation.setEmulatedMedia", media="print" if paper else "", features=features)

    def settle(self):
        """Let observers and animation frames do their work."""
        self.value("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(1))))")

    def value(self, expression):
        """What an expression of JavaScript is, as JSON carries it."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key, *, shift=False):
        """Press a key, as a hand does."""
        how = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS.get(key, 0), "modifiers": 8 * shift}
        if len(key) == 1:
            how["text"] = key
        self.call("Input.dispatchKeyEvent", type="keyDown", **how)
        self.call("Input.dispatchKeyEvent", type="keyUp", **{k: v for k, v in how.items() if k != "text"})

    def mouse(self, kind, x, y, **more):
        """Move the mouse, or press its button: mouseMoved, mousePressed, mouseReleased, mouseWheel."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def screenshot(self, path=None, *, whole=True):
        """A picture (PNG) of the window, or of the whole page."""
        where = {"clip": self._all()} if whole else {}
        picture = base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole, **where)["data"])
        if path:
            Path(path).write_bytes(picture)
        return picture

    def _all(self):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16000), "scale": 1}

    def pdf(self):
        """The page on paper."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=False, preferCSSPageSize=True)["data"])

    def _of(self, method):
        mine = (e for e in self._browser.events if e.get("sessionId") == self._session)
        return [e["params"] for e in mine if e["method"] == method]

    @property
    def said(self):
        """What is on the console: messages, exceptions, and what the browser itself complains of."""
        self.value("1")
        said = [" ".join(str(a.get("value", a)) for a in e["args"]) for e in self._of("Runtime.consoleAPICalled")]
        said += [e["exceptionDetails"]["text"] for e in self._of("Runtime.exceptionThrown")]
        return said + [e["entry"]["text"] for e in self._of("Log.entryAdded")]

    @property
    def asked(self):
        """What was requested, besides the file itself and what its own text holds (data:)."""
        urls = [e["request"]["url"] for e in self._of("Network.requestWillBeSent")]
        return [url for url in urls if url != self.url and not url.startswith("data:")]
