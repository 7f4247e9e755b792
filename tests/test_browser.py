"""The browser against small pages; those that open one need a Chromium on this machine."""

import io
import shutil
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fixtures import apt, browser
from fixtures.browser import Window
from fixtures.errors import Blocked, BudgetExceeded, HarnessError, TargetFailed, Unsupported, UsageError
from fixtures.observations.browser import STEPS, Step, Visit, prerequisite
from fixtures.progress import Progress
from fixtures.wait import Budgets, Waiter

CHROMIUM = next((path for name in browser.PROGRAMS if (path := shutil.which(name))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium on PATH")
PAGES: Mapping[str, tuple[int, str]] = {
    "/prefix/good": (200, "<title>x</title><script src=/prefix/static/a.js></script><p>hello"),
    "/prefix/static/a.js": (200, "document.title = 'ran'"),
    "/prefix/broken": (200, "<script src=/prefix/static/gone.js></script><p>hello"),
    "/prefix/foreign": (200, "<script src=http://pixel.example/a.js></script><p>hello"),
    "/prefix/denied": (403, "<p>Access is Denied"),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = PAGES.get(self.path, (404, "nothing"))
        self.send_response(status)
        self.send_header("Content-Type", "text/javascript" if self.path.endswith(".js") else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/prefix"
    server.shutdown()


@pytest.fixture(scope="module")
def window(base: str) -> Iterator[Window]:
    assert CHROMIUM
    waiter = Waiter(Progress(io.StringIO()), Budgets({"browser_page": 3.0}))
    with browser.visit(Path(CHROMIUM), base, waiter) as opened:
        yield opened


@needs_browser
def test_scripts_run_and_a_picture_is_taken(window: Window) -> None:
    window.open("/good")
    assert window.until("title", lambda page: page.title() == "ran" or None)
    window.require_assets()
    picture = window.picture()
    assert picture.startswith(b"\x89PNG") and len(picture) < browser.LARGEST_PICTURE


@needs_browser
def test_what_a_page_shows_instead_is_told(window: Window) -> None:
    window.open("/good")
    with pytest.raises(BudgetExceeded, match="/prefix/good answered 200 and shows `hello`"):
        window.until("a table", lambda page: page.locator("table").count() or None)


@needs_browser
def test_a_page_that_is_refused_ends_the_wait_at_once(window: Window) -> None:
    window.open("/denied")
    with pytest.raises(TargetFailed, match="answered 403 and shows `Access is Denied`"):
        window.until("a table", lambda page: page.locator("table").count() or None)


@needs_browser
def test_nothing_foreign_is_reached_or_blamed(window: Window) -> None:
    window.open("/foreign")
    window.require_assets()


@needs_browser
def test_missing_static_files_are_named(window: Window) -> None:
    window.open("/broken")
    with pytest.raises(TargetFailed, match=r"script /prefix/static/gone.js → 404"):
        window.require_assets()
    assert any("gone.js" in line for line in window.diary)


def test_a_browser_that_is_missing_is_installed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[Any] = []
    monkeypatch.setattr(browser, "_found", lambda: Path("/usr/bin/chromium") if installed else None)
    monkeypatch.setattr(apt, "install", lambda packages, *_, **__: installed.append(packages))
    for _ in range(2):
        assert browser.program(print, threading.Event()) == Path("/usr/bin/chromium")
    assert installed == [["chromium"]]


@pytest.mark.parametrize("error", [UsageError("no apt-get"), HarnessError("no network")])
def test_without_a_browser_the_rows_are_unsupported(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(browser, "_found", lambda: None)
    monkeypatch.setattr(apt, "install", fail)
    with pytest.raises(Unsupported, match="no browser to look at the UI with: no"):
        browser.program(print, threading.Event())


def test_a_failed_step_blocks_what_cannot_be_done_without_it_and_is_named_once() -> None:
    found = Visit(failures={"AF-BRW-001": TargetFailed("no form")})
    for step in STEPS[1:]:
        if step.after in found.failures:
            with pytest.raises(Blocked) as blocked:
                prerequisite(step, found)
            assert blocked.value.by == "AF-BRW-001" and isinstance(blocked.value.__cause__, TargetFailed)
            found.failures[step.id] = blocked.value
    assert set(found.failures) == {step.id for step in STEPS}


def test_a_step_does_not_wait_for_one_that_it_does_not_need() -> None:
    found = Visit(failures={"AF-BRW-003": TargetFailed("no run")})
    prerequisite(Step("AF-BRW-004", "", lambda _: None, after="AF-BRW-002"), found)
