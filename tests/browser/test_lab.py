"""The Lab page in a real browser: by keyboard, through a reload, with its charts in words."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from imgrec.explanation.corruptions import CORRUPTIONS

pytestmark = pytest.mark.browser

# Models are converted when they are first asked for: some seconds each. 41 damaged images follow.
FIRST_ANSWER_MS = 180_000

IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
CHART = "[data-testid=stVegaLiteChart]"


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{server}/lab?models=cifar_vgg")
    expect(page.locator(".st-key-result h3").first).to_contain_text("points", timeout=FIRST_ANSWER_MS)
    expect(page.locator(IDLE)).to_be_attached(timeout=FIRST_ANSWER_MS)
    yield page
    context.close()


def test_a_mistake_is_chosen_by_keyboard_and_survives_a_reload(page: Page) -> None:
    expect(page.get_by_text("was trained on values from 0 to 1; it was given 0 to 255")).to_be_visible()
    bgr = page.get_by_role("radio", name="BGR")
    bgr.focus()
    page.keyboard.press("Space")
    sentence = page.get_by_text("which swaps red and blue")
    expect(sentence).to_be_visible()
    page.wait_for_url("**lab_channels=bgr**")
    page.reload()
    expect(sentence).to_be_visible(timeout=FIRST_ANSWER_MS)


def test_every_curve_says_its_ends(page: Page) -> None:
    page.get_by_role("radio", name="Robustness").click()
    expect(page.locator(CHART)).to_have_count(len(CORRUPTIONS), timeout=FIRST_ANSWER_MS)
    for place, corruption in enumerate(CORRUPTIONS.values()):
        chart = page.locator(CHART).nth(place)
        assert (chart.get_attribute("aria-label") or "").startswith(f"{corruption.title}, from strength 0 to 5:")
