"""The Explain page in a real browser: keys step through layers, a slider moves between photo and map."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

FIRST_ANSWER_MS = 90_000
SETTLE_MS = 1_000

IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def press(page: Page, key: str) -> None:
    """Press a key when the page has come to rest."""
    expect(page.locator(IDLE)).to_be_attached(timeout=FIRST_ANSWER_MS)
    page.wait_for_timeout(SETTLE_MS)
    page.keyboard.press(key)


def test_keys_step_through_the_layers(page: Page, server: str) -> None:
    page.goto(f"{server}/explain?explain=inside_the_network&network=capstone_cnn&layer=2")
    heading = page.locator("h3").first
    expect(heading).to_contain_text("2 of 19 · Convolution", timeout=FIRST_ANSWER_MS)
    press(page, "n")
    expect(heading).to_contain_text("3 of 19 · ReLU", timeout=FIRST_ANSWER_MS)
    press(page, "p")
    press(page, "p")
    expect(heading).to_contain_text("1 of 19 · Normalization", timeout=FIRST_ANSWER_MS)
    expect(page).to_have_url(re.compile("layer=1"))


def test_the_line_between_photo_and_map_moves_by_key(page: Page, server: str) -> None:
    page.goto(f"{server}/explain?models=capstone_cnn&map=slider")
    line = page.locator("input[type=range]").first
    expect(line).to_be_attached(timeout=FIRST_ANSWER_MS)
    line.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert line.get_attribute("aria-valuetext") == "60 % original, 40 % map"
