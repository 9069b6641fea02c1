"""What is around a comparison, in a real browser: the tour, the copied link, the history, and the report."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.test_accessibility import problems, settle

pytestmark = pytest.mark.browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, server: str) -> Page:
    page = context.new_page()
    page.goto(server)
    expect(page.get_by_role("button", name="Cat: ").first).to_be_visible(timeout=60_000)
    settle(page)
    return page


def test_the_tour_is_read_with_the_keyboard_and_comes_once(context: BrowserContext, page: Page, server: str) -> None:
    tour = page.get_by_role("region", name="Tour")
    words = tour.locator("[aria-live=polite]")
    expect(words).to_contain_text("1 of 6")
    tour.get_by_role("button", name="Next").press("Enter")
    expect(words).to_contain_text("2 of 6")
    page.keyboard.press("ArrowRight")
    expect(words).to_contain_text("3 of 6")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    expect(tour).not_to_be_visible()
    assert page.evaluate("document.activeElement.tagName") == "H3"
    other = context.new_page()
    other.goto(server)
    settle(other)
    expect(other.get_by_role("region", name="Tour")).not_to_be_visible()
    other.goto(f"{server}/about")
    settle(other)
    expect(other.get_by_role("region", name="Tour")).to_be_visible()


def test_the_last_card_ends_the_tour_and_nothing_covers_the_page(page: Page) -> None:
    tour = page.get_by_role("region", name="Tour")
    box, below = tour.bounding_box(), page.get_by_text("Models", exact=True).nth(1).bounding_box()
    assert box is not None
    assert below is not None
    assert box["y"] + box["height"] <= below["y"]
    for _ in range(5):
        tour.get_by_role("button", name="Next").click()
    tour.get_by_role("button", name="Done").click()
    expect(tour).not_to_be_visible()


def test_the_link_has_the_settings_and_says_that_it_is_copied(page: Page) -> None:
    page.get_by_text("Table", exact=True).click()
    settle(page)
    page.get_by_role("button", name="Copy link").press("Enter")
    expect(page.get_by_role("status").filter(has_text="Link copied")).to_be_attached()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.url
    assert "view=table" in copied
    assert "models=" in copied


def test_the_history_goes_back_and_shows_two_side_by_side(page: Page) -> None:
    page.get_by_role("button", name="Cat and espresso").first.click()
    settle(page)
    page.get_by_role("button", name="History").click()
    settle(page)
    for number in (1, 2):
        page.get_by_text(f"Pin {number}", exact=True).click()
        settle(page)
    assert problems(page) == []
    page.get_by_role("button", name="Show the two side by side").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("table").first).to_be_visible(timeout=30_000)
    settle(page)
    assert problems(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="History").click()
    settle(page)
    page.locator(".st-key-history").get_by_role("button", name="1. ").click()
    settle(page)
    expect(page.locator(".st-key-result h3")).to_contain_text("espresso")


@pytest.fixture(scope="module")
def file(browser: Browser, server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report as it is downloaded."""
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.goto(server)
    with page.expect_download(timeout=60_000) as downloading:
        page.get_by_role("button", name="As a report (HTML)").click(timeout=60_000)
    path = tmp_path_factory.mktemp("report") / "report.html"
    downloading.value.save_as(path)
    context.close()
    return path


def test_the_report_is_accessible_and_asks_no_server(context: BrowserContext, file: Path) -> None:
    for scheme in ("light", "dark"):
        report = context.new_page()
        report.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        asked: list[str] = []
        said: list[str] = []
        report.on("request", lambda request, asked=asked: asked.append(request.url))
        report.on("console", lambda message, said=said: said.append(message.text))
        report.goto(file.as_uri())
        assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
        assert said == []
        expect(report.get_by_role("heading", level=1)).to_contain_text("Comparison: Espresso")
        assert report.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        # The policy of the page keeps axe out: it is set aside for the check alone.
        text = file.read_text(encoding="utf-8")
        start = text.index('<meta http-equiv="Content-Security-Policy"')
        report.set_content(text[:start] + text[text.index(">", start) + 1 :])
        assert problems(report) == []
        report.close()


def test_the_report_fits_on_paper(context: BrowserContext, file: Path) -> None:
    report = context.new_page()
    report.set_viewport_size({"width": 700, "height": 1000})  # A4 within its margins
    report.emulate_media(media="print", color_scheme="dark")
    report.goto(file.as_uri())
    assert report.evaluate("document.documentElement.scrollWidth") <= 700
    assert report.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert report.evaluate("getComputedStyle(document.querySelector('.bar')).printColorAdjust") == "exact"
    assert report.pdf().startswith(b"%PDF")
