"""The contact sheet in a real browser: an archive dropped, tiles, a filter, a click to Compare and back."""

import io
import re
import zipfile
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from imgrec.images import gallery
from tests.browser.test_accessibility import problems

pytestmark = pytest.mark.browser

# Models are converted when they are first asked for: some seconds each.
PATIENCE_MS = 90_000

IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


def drop(page: Page) -> None:
    """Drop an archive of the samples and a text, and wait for the sheet."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for sample in gallery.get_samples():
            archive.write(sample.path, sample.file)
        archive.writestr("notes.txt", "no image")
    file = {"name": "photos.zip", "mimeType": "application/zip", "buffer": packed.getvalue()}
    page.locator("input[type=file]").first.set_input_files(file)  # type: ignore[arg-type]
    expect(page.get_by_role("button", name="Clear", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    rest(page)


def rest(page: Page) -> None:
    page.wait_for_timeout(500)
    expect(page.locator(IDLE)).to_be_attached(timeout=PATIENCE_MS)


def test_an_archive_becomes_tiles_and_a_tile_opens_on_compare(page: Page, server: str) -> None:
    page.goto(f"{server}/contact_sheet")
    drop(page)
    tiles = page.locator(".tiles button")
    expect(tiles).to_have_count(len(gallery.get_samples()))
    expect(page.get_by_text("1 other file is left out: notes.txt.")).to_be_visible()
    assert problems(page) == []
    page.get_by_label("Label contains").fill("no such class")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No image fits these filters: ")).to_be_visible()
    page.get_by_label("Label contains").fill("")
    page.keyboard.press("Enter")
    espresso = page.get_by_role("button", name=re.compile(r"^espresso\.jpg: "))
    expect(espresso).to_have_attribute("aria-label", re.compile("Open on Compare"))
    espresso.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Compare", exact=True).first).to_have_attribute("aria-current", "page")
    expect(page.locator(".st-key-preview").get_by_role("img")).to_have_attribute("alt", re.compile(r"espresso\.jpg"))
    page.get_by_role("link", name="Contact sheet").click()
    expect(tiles).to_have_count(len(gallery.get_samples()))
