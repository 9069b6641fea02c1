"""The main job in a real browser: a photo is dropped, and every chosen model's answer stands in its chart."""

import base64
import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from imgrec.images import gallery
from imgrec.settings import ROOT

pytestmark = pytest.mark.browser

SCREENSHOTS = ROOT / "tests" / "browser" / "screenshots"
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}

# Models are converted when they are first asked for: some seconds each.
FIRST_ANSWER_MS = 90_000

# From the end of the script to the last listener in the browser.
SETTLE_MS = 500

ZONE = "[data-testid=stFileUploaderDropzone]"
FIRE = """(zone, [events, files]) => {
  const transfer = new DataTransfer()
  for (const { name, data } of files) {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0))
    transfer.items.add(new File([bytes], name, { type: "image/jpeg" }))
  }
  for (const event of events) {
    const options = { bubbles: true, cancelable: true, dataTransfer: transfer, clipboardData: transfer }
    zone.dispatchEvent(event === "paste" ? new ClipboardEvent(event, options) : new DragEvent(event, options))
  }
}"""
DROP = ["dragenter", "dragover", "drop"]
RESULT = ".st-key-result h3"


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP, color_scheme="light")
    page = context.new_page()
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if _is_elsewhere(request.url, server) else None)
    page.goto(server)
    expect(page.locator(RESULT)).to_contain_text("espresso", timeout=60_000)
    # The page listens for images once its own elements stand, the gallery among them.
    expect(page.get_by_role("button", name="Cat: ").first).to_be_visible()
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached()
    page.wait_for_timeout(SETTLE_MS)
    yield page
    context.close()
    assert elsewhere == [], "the page asked another server"


def _is_elsewhere(url: str, server: str) -> bool:
    return not url.startswith((server, server.replace("http", "ws"), "data:", "blob:"))


def give(page: Page, where: str, events: list[str], *files: tuple[str, bytes]) -> None:
    """Drop or paste `files` on the element `where`."""
    encoded = [{"name": name, "data": base64.b64encode(data).decode()} for name, data in files]
    page.locator(where).first.evaluate(FIRE, [events, encoded])


def cat() -> bytes:
    return gallery.get_sample("cat.jpg").path.read_bytes()


def answered(page: Page, count: int) -> list[str]:
    """The text alternatives of the `count` charts about the cat, a file or the sample, once they all stand there."""
    caption = page.get_by_test_id("stCaptionContainer").filter(has_text=re.compile(r"[Cc]at(\.jpg)? · \d+ × \d+"))
    expect(caption.first).to_be_visible(timeout=FIRST_ANSWER_MS)
    expect(page.locator("[data-testid=stVegaLiteChart]")).to_have_count(count, timeout=FIRST_ANSWER_MS)
    expect(page.get_by_text(re.compile("^Ensemble: |^Both see|^All .* see")).first).to_be_visible(
        timeout=FIRST_ANSWER_MS
    )
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0, timeout=FIRST_ANSWER_MS)
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached()
    page.wait_for_timeout(SETTLE_MS)
    return [chart.get_attribute("aria-label") or "" for chart in page.locator("[data-testid=stVegaLiteChart]").all()]


@pytest.mark.parametrize(
    "get_in",
    [
        pytest.param(lambda page: give(page, ZONE, DROP, ("cat.jpg", cat())), id="dropped into the zone"),
        pytest.param(lambda page: give(page, "[data-testid=stApp]", DROP, ("cat.jpg", cat())), id="dropped beside it"),
        pytest.param(lambda page: give(page, "body", ["paste"], ("cat.jpg", cat())), id="pasted"),
        pytest.param(lambda page: page.get_by_role("button", name="Cat: ").first.click(), id="sample clicked"),
    ],
)
def test_a_photo_gets_an_answer_from_every_model(page: Page, charts: int, get_in: Callable[[Page], None]) -> None:
    get_in(page)
    words = answered(page, charts)
    assert sum("cat" in text or "tabby" in text for text in words) == charts, words
    expect(page.get_by_text(re.compile("agree|they differ")).first).to_be_visible()
    spoken = page.locator("[data-testid=stVegaLiteChart] [aria-label]")
    expect(spoken, "a chart is read out as one sentence, not bar by bar").to_have_count(0)


def test_a_bad_file_beside_a_good_one_gets_a_sentence(page: Page, charts: int) -> None:
    give(page, ZONE, DROP, ("notes.jpg", b"no image"), ("cat.jpg", cat()), ("huge.jpg", b"0" * 21_000_000))
    answered(page, charts)
    expect(page.get_by_role("alert").filter(has_text="notes.jpg")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="huge.jpg")).to_be_visible()


@pytest.mark.parametrize("model", ["cifar_vgg", "Small VGG (CIFAR-10)"], ids=["name", "title, as in old links"])
def test_a_link_restores_the_settings(page: Page, server: str, model: str) -> None:
    page.goto(f"{server}/?models={model}&k=3&rule=Rank+vote&view=Table")
    expect(page).to_have_url(re.compile(r"models=cifar_vgg\b"))
    give(page, ZONE, DROP, ("cat.jpg", cat()))
    expect(page.locator("[data-testid=stTable]")).to_have_count(1, timeout=FIRST_ANSWER_MS)
    expect(page.locator("[data-testid=stTable] tbody tr")).to_have_count(3)


def test_own_classes_are_added_by_keyboard_and_kept_in_the_link(page: Page) -> None:
    page.get_by_role("button", name="Options").press("Enter")
    page.locator(".st-key-my_classes summary").press("Enter")
    page.get_by_label("Add a class").fill("beverage")
    page.get_by_role("button", name="beverage").first.press("Enter")
    expect(page.locator(RESULT)).to_contain_text("beverage", timeout=FIRST_ANSWER_MS)
    expect(page.get_by_label("Name of class 1")).to_have_value("beverage")
    expect(page).to_have_url(re.compile("classes=beverage"))
    page.reload()
    expect(page.locator(RESULT)).to_contain_text("beverage", timeout=FIRST_ANSWER_MS)


def test_a_link_keeps_its_models_over_pages_and_choices(page: Page, server: str) -> None:
    page.goto(f"{server}/about?models=cifar_vgg,cifar_dense")
    page.get_by_role("link", name="Ensemble", exact=True).click()
    expect(page).to_have_url(re.compile(r"/ensemble\?models=cifar_vgg&models=cifar_dense"), timeout=30_000)
    expect(page.get_by_text("Classes: airplane", exact=False)).to_be_visible()
    page.get_by_role("button", name="Remove Small VGG (CIFAR-10)").click(timeout=FIRST_ANSWER_MS)
    expect(page).to_have_url(re.compile(r"/ensemble\?models=cifar_dense"))
    page.reload()
    expect(page.get_by_text("Classes: airplane", exact=False)).to_be_visible(timeout=30_000)


def test_on_a_phone_the_navigation_closes_after_a_choice(browser: Browser, server: str) -> None:
    context = browser.new_context(viewport=PHONE)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{server}/about")
    # Before the page has run once, nothing knows which page the drawer was opened on.
    expect(page.get_by_text("How it works", exact=True).first).to_be_visible(timeout=60_000)
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached(timeout=30_000)
    page.wait_for_timeout(SETTLE_MS)
    for name, heading in (("Models", "Memory"), ("About", "How it works")):
        page.locator("[data-testid=stExpandSidebarButton]").click()
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_text(heading, exact=True).first).to_be_in_viewport(timeout=30_000)
        expect(page.locator("[data-testid=stSidebar] a").first).not_to_be_in_viewport()
    context.close()


def test_the_image_comes_along_to_the_ensemble(page: Page, charts: int) -> None:
    give(page, ZONE, DROP, ("cat.jpg", cat()))
    answered(page, charts)
    page.get_by_role("link", name="Ensemble").click()
    expect(page.get_by_text("Without one of them")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Without EfficientNet-Lite0 it would", exact=False).first).to_be_visible()


def test_a_reload_keeps_the_images_for_this_tab_only(page: Page, browser: Browser, server: str, charts: int) -> None:
    give(page, ZONE, DROP, ("cat.jpg", cat()))
    answered(page, charts)
    tab = page.evaluate("sessionStorage.getItem('imgrec-tab')")
    assert len(tab) >= 43, "256 bits"
    assert tab not in page.url
    for _ in range(2):
        page.reload()
        answered(page, charts)
        expect(page.get_by_text("cat.jpg")).to_be_visible()
    assert page.evaluate("sessionStorage.getItem('imgrec-tab')") == tab

    context = browser.new_context(viewport=DESKTOP)
    other = context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("button", name="Cat: ").first).to_be_visible(timeout=60_000)
    other.wait_for_timeout(SETTLE_MS)
    expect(other.get_by_text("cat.jpg")).to_have_count(0)
    assert other.evaluate("sessionStorage.getItem('imgrec-tab')") != tab
    context.close()

    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_role("button", name="Cat: ").first).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Cat: ").first).to_be_visible(timeout=60_000)
    page.wait_for_timeout(SETTLE_MS)
    expect(page.get_by_text("cat.jpg"), "what was removed stays removed").to_have_count(0)


def test_one_image_of_several_is_removed_by_key(page: Page, charts: int) -> None:
    files = [
        (f"{name}.jpg", gallery.get_sample(f"{name}.jpg").path.read_bytes()) for name in ("cat", "rocket", "waves")
    ]
    give(page, ZONE, DROP, *files)
    answered(page, charts)
    page.get_by_role("button", name="rocket.jpg", exact=True).click()
    expect(page.get_by_role("button", name="rocket.jpg", exact=True)).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Remove rocket.jpg").press("Enter")
    expect(page.get_by_role("button", name="rocket.jpg")).to_have_count(0)
    waves = page.get_by_role("button", name="waves.jpg", exact=True)
    expect(waves).to_have_attribute("aria-pressed", "true")
    expect(waves).to_be_focused()
    page.get_by_role("button", name="Clear images").click()
    expect(page.get_by_role("button", name="Cat: ").first).to_be_visible()


def test_the_focus_goes_to_the_result_of_a_sample(page: Page, charts: int) -> None:
    page.get_by_role("button", name="Cat: ").first.press("Enter")
    words = answered(page, charts)
    assert sum("cat" in text or "tabby" in text for text in words) == charts, words
    heading = page.locator(".st-key-result").get_by_role("heading").first
    expect(heading).to_be_focused(timeout=10_000)
    expect(heading).to_contain_text("cat")


def test_on_a_phone_the_result_of_a_sample_is_on_the_first_screen(browser: Browser, server: str, charts: int) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(server)
    expect(page.get_by_role("button", name="Cat: ").first).to_be_visible(timeout=60_000)
    page.wait_for_timeout(SETTLE_MS)
    page.get_by_role("button", name="Cat: ").first.tap()
    answered(page, charts)
    heading = page.locator(".st-key-result").get_by_role("heading").first
    expect(heading).to_be_focused(timeout=10_000)
    box = heading.bounding_box()
    assert box is not None
    scrolled = page.locator("[data-testid=stMain]").evaluate("main => main.scrollTop")
    assert box["y"] + scrolled < PHONE["height"], "the result is below the first screen"
    context.close()


def test_the_file_has_the_results(page: Page, charts: int) -> None:
    give(page, ZONE, DROP, ("cat.jpg", cat()))
    answered(page, charts)
    with page.expect_download() as download:
        page.get_by_role("button", name="As JSON").click()
    (found,) = json.loads(Path(download.value.path()).read_text())
    assert found["image"] == "cat.jpg"
    assert len(found["models"]) == max(charts - 1, 1)
    assert found["ensemble"]["rule"] == "mean"


def test_the_api_answers_beside_the_pages(server: str) -> None:
    request = urllib.request.Request(f"{server}/api/v1/predict?models=mobilenet&k=1", data=cat())
    with urllib.request.urlopen(request, timeout=120) as answer:
        (model,) = json.load(answer)["models"]
    assert "cat" in model["top"][0]["label"]


@pytest.mark.parametrize(
    ("viewport", "schemes"),
    [(DESKTOP, {"light": "light", "dark": "dark"}), (PHONE, {"phone": "light"})],
    ids=["desktop", "phone"],
)
def test_screenshots(
    browser: Browser, server: str, charts: int, viewport: dict[str, int], schemes: dict[str, str]
) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    context = browser.new_context(viewport=viewport, color_scheme="light")  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(server)
    expect(page.locator(RESULT)).to_contain_text("espresso", timeout=60_000)
    page.wait_for_timeout(SETTLE_MS)
    give(page, ZONE, DROP, ("cat.jpg", cat()))
    answered(page, charts)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= viewport["width"], "the page is wider than the screen"
    if viewport is DESKTOP:
        first = page.locator("[data-testid=stVegaLiteChart]").first.bounding_box()
        assert first is not None
        assert first["y"] + first["height"] < viewport["height"], "the first chart is below the fold"
    for name, scheme in schemes.items():
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=SCREENSHOTS / f"compare_{name}.png")
    context.close()
