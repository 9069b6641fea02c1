"""The policy of the pages in a real browser: nothing that a page needs is blocked, and nothing else runs."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.browser.waiting import wait_until
from tests.reliability.attacked_server import attacked

pytestmark = pytest.mark.browser

# A page of its own for what only some pages have: charts, tables, components, an image.
PAGES = ["", "ensemble", "contact_sheet", "explain", "benchmarks", "models", "train", "lab", "about"]
DONE = "[data-testid=stApp][data-test-script-state=notRunning]"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A demo, whose policy is stricter than that of a laptop."""
    with attacked(IMGREC_DEMO="1", IMGREC_HOME=str(tmp_path_factory.mktemp("home"))) as address:
        yield address


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(permissions=["camera"])
    page = context.new_page()
    yield page
    context.close()


@pytest.fixture
def violations(page: Page) -> Iterator[list[str]]:
    """What the policy blocks meanwhile, as the browser's console says."""
    found: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "BidiComponent" in message.text:
            found.append(message.text)

    page.on("console", hear)
    yield found
    page.remove_listener("console", hear)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_nothing_that_is_blocked(page: Page, server: str, violations: list[str], name: str) -> None:
    page.goto(f"{server}/{name}")
    expect(page.locator(DONE)).to_be_attached(timeout=90_000)
    page.wait_for_timeout(1_500)
    assert violations == []


def test_charts_and_the_camera_work(page: Page, server: str, violations: list[str]) -> None:
    page.goto(server)
    expect(page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg").first).to_be_visible(
        timeout=90_000
    )
    page.get_by_role("button", name="Camera", exact=True).click()
    video = page.locator("[data-testid=stCameraInput] video")
    expect(video).to_be_visible(timeout=30_000)
    wait_until(page, "() => document.querySelector('video').videoWidth > 0")
    assert violations == []


def test_scripts_of_strangers_do_not_run(page: Page, server: str, violations: list[str]) -> None:
    page.goto(server)
    expect(page.locator(DONE)).to_be_attached(timeout=90_000)
    page.evaluate(
        """() => {
          const image = document.createElement('img')
          image.setAttribute('onerror', 'window.stranger = 1')
          image.src = 'data:image/png;base64,none'
          const script = document.createElement('script')
          script.textContent = 'window.stranger = 2'
          document.body.append(image, script)
        }"""
    )
    page.wait_for_timeout(500)
    assert page.evaluate("window.stranger === undefined")
    assert len(violations) == 2
