"""The page in a real browser: what a person sees, that it moves, and that it asks no other host for anything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import ClientError
from live_page import DEPLOYED, cloudwatch, guarded, put, snapshots
from playwright.sync_api import Browser, Page, expect, sync_playwright

from scaletozero.page.server import PageServer, page_files
from scaletozero.page.snapshot import Snapshots

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FOUND = next(filter(None, map(shutil.which, BROWSERS)), None)

pytestmark = pytest.mark.skipif(FOUND is None, reason=f"no browser is installed: none of {', '.join(BROWSERS)}")

# The library for plots brings rules of style for maps, and tries out one of pictures. The policy refuses both, and no
# line needs them.
REFUSED = {"style-src-elem plotly.min.js", "style-src-attr plotly.min.js"}
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.effectiveDirective} ${event.sourceFile.split("/").pop()}`));
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=FOUND, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def client() -> Iterator[Any]:
    with cloudwatch() as made:
        yield made


@contextmanager
def served(of: Snapshots) -> Iterator[PageServer]:
    server = PageServer(0, of.take, page_files())
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def opened(browser: Browser, server: PageServer) -> Iterator[tuple[Page, list[str]]]:
    """The page, and everything that it has asked for; faults of its script fail the test."""
    page, asked, faults = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.add_init_script(WATCH)
    page.goto(server.url)
    yield page, asked
    assert faults == []
    assert set(page.evaluate("window.violations")) <= REFUSED
    page.close()


def panel(page: Page, title: str) -> Any:
    return page.locator("#endpoint-sentences .panel", has=page.get_by_role("heading", name=title, exact=True))


def lines(page: Page, title: str) -> dict[str, list[Any]]:
    """What is drawn on a panel: name of each line -> its values."""
    return dict(panel(page, title).locator(".plot").evaluate("(plot) => plot.data.map((each) => [each.name, each.y])"))


def test_calls_that_come_in_are_drawn_with_the_alarms_and_the_cap(browser: Browser, client: Any) -> None:
    put(client, "Invocations", 1, 1)
    put(client, "ModelLatency", 90e6, 90e6)
    with served(snapshots(client)) as server, opened(browser, server) as (page, asked):
        expect(panel(page, "Requests").locator(".main-svg").first).to_be_visible()
        expect(page.get_by_role("heading", name="local, us-east-1")).to_be_visible()
        assert lines(page, "Requests")["all"][-1] == 2
        assert lines(page, "Latency of the model")["alarm: latency"] == [250, 250]
        expect(page.locator("#spending")).to_contain_text("$50.00cap of a month")
        expect(page.locator("#endpoint-sentences")).to_contain_text("$20.00cap of a month")
        expect(page.locator("#endpoint-llm")).to_contain_text("Prometheus")

        put(client, "Invocations", *[1] * 40)
        page.wait_for_function(
            """() => [...document.querySelectorAll(".plot")].some(
                (plot) => plot.data?.some((line) => line.name === "all" && line.y.some((value) => value >= 40)))""",
            timeout=15_000,
        )
        assert {each for each in asked if not each.startswith((server.url, "data:"))} == set()
        assert f"{server.url}plotly.min.js" in asked


def test_what_cloudwatch_refuses_stands_where_the_plot_would_be(
    browser: Browser, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "<img src=x onerror=\"document.title='taken'\"> may not"

    def denied(*_: Any, **__: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": message}}, "GetMetricData")

    monkeypatch.setattr(client, "get_paginator", denied)
    deployed = {"sentences": DEPLOYED["sentences"]}
    with served(snapshots(client, deployed=deployed)) as server, opened(browser, server) as (page, _):
        expect(panel(page, "Requests").locator(".error")).to_contain_text(f"denies GetMetricData: {message}")
        expect(panel(page, "Requests").locator(".plot")).to_be_hidden()
        assert page.locator("img").count() == 0
        assert page.title() == "local: scaletozero"


def test_an_endpoint_that_its_guard_closed_is_shown_as_closed(browser: Browser, client: Any) -> None:
    guard = guarded()
    with served(snapshots(client, guards={guard.endpoint: guard})) as server, opened(browser, server) as (page, _):
        shown = page.locator("#endpoint-sentences .figure", has_text="spending guard")
        expect(shown).to_have_text("closedspending guard")
        expect(shown).to_have_class("figure over")
        expect(page.locator("#endpoint-images .figure", has_text="spending guard")).to_have_count(0)


def test_without_the_command_the_page_says_that_it_is_no_longer_read(browser: Browser, client: Any) -> None:
    with served(snapshots(client)) as server:
        page = browser.new_page()
        page.goto(server.url)
        expect(panel(page, "Requests").locator(".main-svg").first).to_be_visible()
        page.route("**/snapshot.json", lambda route: route.abort("connectionrefused"))
        expect(page.get_by_role("alert")).to_contain_text("has ended", timeout=15_000)
        expect(panel(page, "Requests").locator(".main-svg").first).to_be_visible()
        page.close()


def test_another_page_cannot_read_it_even_with_its_address(browser: Browser, client: Any) -> None:
    with served(snapshots(client)) as server, served(snapshots(client)) as other:
        page = browser.new_page()
        page.goto(other.url)
        page.route("**/evil.html", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
        page.goto(f"{other.url}evil.html")  # of another origin, and without the page's policy
        read = "(url) => fetch(url, {mode: 'no-cors'}).then((found) => found.type + found.status, () => 'refused')"
        assert page.evaluate(read, f"{server.url}snapshot.json") == "refused"
        page.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(browser: Browser, client: Any, width: int) -> None:
    put(client, "Invocations", 1)
    with served(snapshots(client)) as server:
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.goto(server.url)
        expect(panel(page, "Requests").locator(".main-svg").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.close()
