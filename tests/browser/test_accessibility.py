"""axe-core finds no serious or critical problem on any page: empty and with an image, light and dark."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.waiting import wait_until

pytestmark = pytest.mark.browser

PAGES = ["Compare", "Ensemble", "Explain", "Contact sheet", "Lab", "Benchmarks", "Train", "Models", "About"]
SHOW_IMAGE = PAGES[:5]
SCHEMES = ("light", "dark")

# Models are converted when they are first asked for: some seconds each.
FIRST_ANSWER_MS = 90_000

# From the end of the script to what it sends last.
SETTLE_MS = 300

IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"

# Every chart is drawn, and nothing fades in: an element that does has less contrast.
AT_REST = """() =>
  [...document.querySelectorAll("[data-testid=stVegaLiteChart]")].every((one) => one.querySelector("svg, canvas")) &&
  document.getAnimations().every(
    (one) => one.playState !== "running" || one.effect.getComputedTiming().iterations === Infinity
  )"""


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.goto(server)
    expect(page.get_by_role("button", name="Cat: ").first).to_be_visible(timeout=60_000)
    settle(page)
    yield page
    context.close()


def settle(page: Page) -> None:
    page.wait_for_timeout(SETTLE_MS)
    expect(page.locator(IDLE)).to_be_attached(timeout=FIRST_ANSWER_MS)
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0, timeout=FIRST_ANSWER_MS)
    page.wait_for_timeout(SETTLE_MS)
    wait_until(page, AT_REST, timeout_ms=FIRST_ANSWER_MS)


def problems(page: Page) -> list[str]:
    """The serious and critical findings, each with its element and what is wrong with it."""
    return [
        f"{finding['id']} {node['target']}: {node['failureSummary']}"
        for finding in Axe().run(page).response["violations"]
        if finding["impact"] in {"serious", "critical"}
        for node in finding["nodes"]
    ]


def problems_by_scheme(page: Page) -> dict[str, list[str]]:
    """The findings in light and dark: the page changes its colors when the system does."""
    found = {}
    for scheme in SCHEMES:
        show(page, scheme)
        found[scheme] = problems(page)
    show(page, "light")
    return found


def show(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    expect(page.locator(".stApp")).to_have_css("color-scheme", scheme)
    settle(page)


NONE = {scheme: [] for scheme in SCHEMES}


@pytest.mark.parametrize("names", [PAGES, SHOW_IMAGE], ids=["empty", "with an image"])
def test_no_page_has_a_serious_problem(page: Page, names: list[str]) -> None:
    if names is SHOW_IMAGE:
        page.get_by_role("button", name="Cat: ").first.click()
        expect(page.locator(".st-key-preview")).to_be_visible()
        settle(page)
    found = {}
    for name in names:
        page.get_by_role("link", name=name, exact=True).first.click()
        expect(page.get_by_role("link", name=name, exact=True).first).to_have_attribute("aria-current", "page")
        settle(page)
        found[name] = problems_by_scheme(page)
    assert found == dict.fromkeys(names, NONE)


def test_the_panel_of_own_classes_has_no_serious_problem(page: Page) -> None:
    page.goto(page.url.split("?")[0] + "?classes=cat;dog")
    settle(page)
    page.get_by_role("button", name="Options").click()
    page.locator(".st-key-my_classes summary").click()
    expect(page.get_by_label("Name of class 2")).to_be_visible(timeout=30_000)
    page.get_by_label("Add a class").fill("vehicle")
    expect(page.get_by_role("button", name="vehicle · conveyance")).to_be_visible(timeout=30_000)
    settle(page)
    assert problems_by_scheme(page) == NONE


def test_an_opened_matrix_has_no_serious_problem(page: Page, server: str) -> None:
    page.goto(f"{server}/?layout=matrix&level=category&open=animal&pin=n02123045")
    expect(page.get_by_text("Click a row to pin its label.").first).to_be_visible(timeout=FIRST_ANSWER_MS)
    settle(page)
    assert problems_by_scheme(page) == NONE


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_focus_is_seen_on_navigation_tiles_and_buttons(page: Page, scheme: str) -> None:
    """WCAG 2.4.7, and 1.4.11: the ring has 3:1 against the page."""
    show(page, scheme)
    page.evaluate("document.body.focus()")
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(RING))
    rings = [ring for ring in seen if ring]
    assert {"A", "BUTTON"} <= {ring["tag"] for ring in rings}
    assert [ring for ring in rings if ring["width"] < 2 or ring["contrast"] < 3] == []


# The outline of the element in focus, through shadow roots, and its contrast to the page. Text fields show their focus
# by their border, which Streamlit draws in the accent: only links and buttons are looked at.
RING = """() => {
  let element = document.activeElement
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
  if (!element || !["A", "BUTTON"].includes(element.tagName)) return null
  const style = getComputedStyle(element)
  const luminance = (color) => {
    const context = new OffscreenCanvas(1, 1).getContext("2d")
    context.fillStyle = color
    context.fillRect(0, 0, 1, 1)
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((byte) => {
      const value = byte / 255
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const page = getComputedStyle(document.querySelector(".stApp")).backgroundColor
  const [a, b] = [luminance(style.outlineColor), luminance(page)].sort((x, y) => y - x)
  const width = style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth)
  return { tag: element.tagName, text: element.textContent, width, contrast: (a + 0.05) / (b + 0.05) }
}"""
