"""Wait in a browser whose pages forbid strings as code."""

import time

from playwright.sync_api import Page

POLL_MS = 100.0


def wait_until(page: Page, condition: str, *, timeout_ms: float = 30_000) -> None:
    """Wait until the JavaScript function `condition` returns a true value on `page`.

    Playwright's own `wait_for_function` compiles its condition again in the page whenever it is not true at once, and
    a Content Security Policy without `unsafe-eval` forbids that.
    """
    end = time.monotonic() + timeout_ms / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"not within {timeout_ms:g} ms: {condition}"
        page.wait_for_timeout(POLL_MS)
