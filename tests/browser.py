"""A headless Chromium without a network, and a test that says why it was skipped where there is none."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


def needs_chromium(test):
    """A test that takes a browser is a long one, and is skipped where there is none."""
    return pytest.mark.long(pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")(test))


@contextmanager
def browser() -> Iterator:
    """Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield chromium
        finally:
            chromium.close()


def listen(page) -> list[str]:
    """What goes wrong on a page from now on: errors and warnings of its console, exceptions, requests."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda message: (
            wrong.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    page.on(
        "request",
        lambda request: wrong.append(request.url) if request.url.startswith("http") else None,
    )
    return wrong
