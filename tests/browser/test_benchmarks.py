"""The Benchmarks page in a real browser: from a cell of the matrix to its images and what two models say of them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

RESTING = "[data-testid=stApp][data-test-script-state=notRunning]"
CHART = "[data-testid=stVegaLiteChart]"
VIEWPORTS = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}

# A busy machine reads ten thousand answers of five models in some seconds.
PATIENCE_MS = 60_000


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=VIEWPORTS["desktop"])  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


def look(page: Page, server: str, view: str, dataset: str = "CIFAR-10, test set") -> None:
    page.goto(f"{server}/benchmarks?bench_set={dataset}&bench_view={view}")
    expect(page.get_by_text("images", exact=False).first).to_be_visible(timeout=PATIENCE_MS)
    rest(page)


def rest(page: Page) -> None:
    page.wait_for_timeout(300)
    expect(page.locator(RESTING)).to_be_attached(timeout=PATIENCE_MS)


def click_cell(page: Page, row: int, column: int, classes: int = 10) -> None:
    """Click a cell of the matrix on the page, which is as wide as the chart less its names."""
    plot = page.locator(f"{CHART} canvas, {CHART} svg").first
    box = plot.bounding_box()
    assert box is not None
    # Where the plot lies in the chart is Vega's to say; its cells are 30 px high and begin 8 px below the edge.
    left, right, top, height = 0.085 * box["width"], box["width"] - 12, 8, 30
    x = left + (column + 0.5) * (right - left) / classes
    plot.click(position={"x": x, "y": top + (row + 0.5) * height})


def test_a_cell_shows_its_images_and_what_two_models_say(page: Page, server: str) -> None:
    look(page, server, "Confusion")
    expect(page.locator(f"{CHART} canvas, {CHART} svg").first).to_be_visible()
    click_cell(page, row=5, column=3)
    heading = page.get_by_text(re.compile(r"\d+ images of dog, predicted as cat"))
    expect(heading).to_be_visible(timeout=PATIENCE_MS)
    rest(page)
    cards = page.locator("[data-testid=stMain] [data-testid=stVerticalBlock]").filter(has_text="✓ dog")
    expect(cards.first).to_be_visible()
    said = page.locator("[data-testid=stMain]").inner_text()
    first = said[said.index("predicted as cat") :]
    assert first.count("Small VGG") >= 1
    assert first.count("Small ResNet") >= 1, "the runner-up's answers stand beside"
    if list((Path(os.environ.get("KERAS_HOME", "/nonexistent")) / "datasets").glob("cifar*10*")):
        expect(page.get_by_role("img", name="An image of the class dog").first).to_be_visible()
    else:
        expect(page.get_by_text("Add the images to see them here.")).to_be_visible()


def test_images_come_from_a_folder_on_this_machine(page: Page, server: str, test_data: Path) -> None:
    if not (test_data / "imagenet_val_a").is_dir():
        pytest.skip("IMGREC_TEST_DATA has no imagenet_val_a")
    look(page, server, "Errors", "ImageNet, 668 validation images")
    asked = page.get_by_role("textbox", name="Or a folder, zip or tar on this machine")
    asked.fill(str(test_data / "gallery"))
    asked.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("No file in gallery", timeout=PATIENCE_MS)
    asked.fill(str(test_data / "imagenet_val_a"))
    asked.press("Enter")
    expect(page.get_by_role("img", name=re.compile("An image of"))).to_have_count(12, timeout=PATIENCE_MS)


def test_a_link_restores_the_view(page: Page, server: str) -> None:
    look(page, server, "Speed")
    expect(page.locator(f"{CHART}[aria-label^='On the frontier']")).to_be_visible(timeout=PATIENCE_MS)
    page.set_viewport_size(VIEWPORTS["phone"])  # type: ignore[arg-type]
    rest(page)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= VIEWPORTS["phone"]["width"], "the page is wider than a phone's screen"
