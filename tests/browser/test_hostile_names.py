"""Hostile names in a real browser: no script of a name runs, nothing is fetched elsewhere, and no page dies."""

import io
import zipfile
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FilePayload, Page, ViewportSize, expect

from tests.browser.test_training import image, settle, visit
from tests.reliability.hostile_names import MARK, NAMES

pytestmark = pytest.mark.browser

# As many as have a row on the page: what a browser might take for more than text.
SHOWN = 22
TRICKS = [trick for trick in NAMES if NAMES[trick].strip() and "\0" not in NAMES[trick]]
FOR_BROWSERS = [
    *(trick for trick in TRICKS if set(NAMES[trick]) & set("<>&_$[]`*:")),
    *(trick for trick in TRICKS if not NAMES[trick].isascii()),
][:SHOWN]


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    context = browser.new_context(viewport=ViewportSize(width=1440, height=1000))
    page = context.new_page()
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    yield page
    assert page.evaluate(f"window.{MARK}") is None, "a script of a name has run"
    foreign = [url for url in fetched if not url.startswith((server, server.replace("http", "ws"), "data:", "blob:"))]
    assert not foreign
    context.close()


def test_classes_of_any_name_are_rows_of_the_train_page(page: Page, server: str) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for seed, trick in enumerate(FOR_BROWSERS):
            for number in range(2):
                archive.writestr(
                    f"{NAMES[trick].replace('/', '∕')}/{number}.png", image((200, 80, 40), 2 * seed + number)
                )
    visit(page, f"{server}/train?source=Folder+or+archive")
    payload = FilePayload(name=f"{NAMES['an image in HTML']}.zip", mimeType="application/zip", buffer=file.getvalue())
    page.locator("input[type=file]").first.set_input_files(payload)
    expect(page.get_by_text("2 images").first).to_be_visible(timeout=60_000)
    settle(page)
    expect(page.get_by_text("Expected").first).not_to_be_visible()
    rows = page.get_by_label("Class name")
    assert rows.count() >= SHOWN - 2
    values = [rows.nth(place).input_value() for place in range(rows.count())]
    assert "red__fox" in values
    assert page.locator("[data-testid=stException]").count() == 0
    # The strip of each class is drawn, which died of the first name.
    assert page.get_by_role("group", name="Images of red__fox").get_by_role("button").count() == 2


def test_files_of_any_name_are_shown_by_compare(page: Page, server: str) -> None:
    page.goto(server)
    expect(page.locator("input[type=file]").first).to_be_attached(timeout=60_000)
    settle(page)
    for trick in ("an image in HTML", "an image in Markdown"):
        payload = FilePayload(name=f"{NAMES[trick]}.png", mimeType="image/png", buffer=image((40, 80, 200), len(trick)))
        page.locator("input[type=file]").first.set_input_files(payload)
        settle(page)
        # The browser sends what follows the last slash; it stands on the page as text.
        expect(page.get_by_text(NAMES[trick].rpartition("/")[2]).first).to_be_visible(timeout=60_000)
        assert page.locator("[data-testid=stException]").count() == 0
