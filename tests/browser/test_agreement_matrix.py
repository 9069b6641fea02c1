"""The agreement matrix in a browser: a click on a row pins its label, one on a triangle opens its group."""

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser

# Models are converted when they are first asked for: some seconds each.
FIRST_ANSWER_MS = 90_000

TRIANGLE = ".st-key-result [data-testid=stVegaLiteChart] .mark-symbol path"
FIRST_ROW = ".st-key-result [data-testid=stVegaLiteChart] .mark-rect path"


@pytest.mark.parametrize("width", [1440, 390], ids=["desktop", "phone"])
def test_a_click_on_a_row_pins_its_label(browser: Browser, server: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(f"{server}/?layout=matrix")
    row = page.locator(FIRST_ROW).first
    expect(row).to_be_visible(timeout=FIRST_ANSWER_MS)
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0, timeout=FIRST_ANSWER_MS)
    expect(page.get_by_text("Click a row to pin its label.")).to_be_visible(timeout=FIRST_ANSWER_MS)
    # At its left end, over the label.
    row.click(position={"x": 20, "y": 8})
    expect(page).to_have_url(re.compile(r"[?&]pin="))
    expect(page.get_by_role("link", name="Where do they look?")).to_be_visible()
    page.locator(FIRST_ROW).first.click(position={"x": 20, "y": 8})
    expect(page).not_to_have_url(re.compile(r"[?&]pin="))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(f"{server}/?layout=matrix&level=category")
    triangle = page.locator(TRIANGLE).first
    expect(page.get_by_text("A triangle opens a group.")).to_be_visible(timeout=FIRST_ANSWER_MS)
    for opened in (True, False):
        _click(page, triangle)
        found = expect(page)
        (found.to_have_url if opened else found.not_to_have_url)(re.compile(r"[?&]open="))
        expect(page).not_to_have_url(re.compile(r"[?&]pin="))
    context.close()


def _click(page: Page, mark: Locator) -> None:
    """Click where the mark is seen, whatever lies above it."""
    expect(mark).to_be_visible()
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
