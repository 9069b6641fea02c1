"""Train in a real browser: images of two colors are dropped, a network is fine-tuned or trained, and Compare has it."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, ViewportSize, expect

pytestmark = pytest.mark.browser

DESKTOP = ViewportSize(width=1440, height=1000)

# A worker imports TensorFlow, which alone takes up to half a minute beside a browser on two cores.
FINISH_MS = 120_000

PER_CLASS = 12


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP, color_scheme="light")
    page = context.new_page()
    yield page
    context.close()


def visit(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_text("Trained models").first).to_be_visible(timeout=60_000)
    settle(page)


def settle(page: Page) -> None:
    """Wait until nothing is about to run: changes reach the server within half a second."""
    page.wait_for_timeout(500)
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached(timeout=60_000)


def image(color: tuple[int, int, int], seed: int) -> bytes:
    """A noisy field of one color."""
    noise = np.random.default_rng(seed).integers(-40, 40, (48, 48, 3))
    file = io.BytesIO()
    Image.fromarray(np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def arrays(folder: Path) -> Path:
    """A set of two classes that any network learns in an epoch: dark and bright."""
    rng = np.random.default_rng(0)
    targets = np.arange(160) % 2
    pixels = (rng.integers(0, 100, (160, 32, 32, 3)) + 150 * targets[:, None, None, None]).astype(np.uint8)
    path = folder / "light.npz"
    names = np.array(["dark", "bright"])
    np.savez(
        path, x_train=pixels[:120], y_train=targets[:120], x_test=pixels[120:], y_test=targets[120:], class_names=names
    )
    return path


def test_a_run_from_scratch_is_watched_to_its_end_and_stands_on_compare(
    page: Page, server: str, tmp_path: Path
) -> None:
    visit(page, f"{server}/train?learn=Train+from+scratch&recipe=simple_cnn")
    page.get_by_role("combobox", name="Dataset").click()
    page.get_by_role("option", name="My folder or file").click()
    path = page.get_by_role("textbox", name="Path")
    path.fill(str(arrays(tmp_path)))
    path.press("Enter")
    settle(page)
    page.get_by_text("Training settings").click()
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill("2")
    epochs.press("Enter")
    settle(page)
    page.get_by_role("button", name="Start training").click()
    panel = page.locator(".st-key-run_panel")
    expect(panel.get_by_role("button", name="Stop")).to_be_visible(timeout=30_000)
    page.reload()  # a run does not hang on its page
    expect(panel.get_by_text("is in the catalog")).to_be_visible(timeout=FINISH_MS)
    expect(panel.get_by_text("40 test images correct")).to_be_visible()
    panel.get_by_role("link", name="Try it on Compare").click()
    expect(page.get_by_text("Espresso · ", exact=False).first).to_be_visible(timeout=30_000)
    expect(page.get_by_test_id("stMultiSelect").get_by_text("my_simple_cnn", exact=False).first).to_be_visible()


def test_images_are_dropped_kept_and_a_run_begins_and_stops(page: Page, server: str) -> None:
    if not list((Path(os.environ.get("KERAS_HOME", "/nonexistent")) / "models").glob("mobilenet_2_5_128_tf.h5")):
        pytest.skip("KERAS_HOME names no folder with MobileNet 0.25 128 under models/")
    visit(page, f"{server}/train?backbone=mobilenet_a025_128")
    for place, color in enumerate([(200, 60, 60), (60, 60, 200)]):
        files = [
            FilePayload(name=f"{seed}.png", mimeType="image/png", buffer=image(color, seed))
            for seed in range(PER_CLASS)
        ]
        broken = FilePayload(name="broken.png", mimeType="image/png", buffer=b"no image")
        page.locator("[data-testid=stFileUploader] input[type=file]").nth(place).set_input_files([*files, broken])
        expect(page.get_by_text("1 file skipped")).to_have_count(place + 1, timeout=30_000)
        settle(page)
    page.reload()
    expect(page.get_by_text(f"{PER_CLASS} images", exact=True)).to_have_count(2, timeout=30_000)
    name = page.get_by_role("textbox", name="Model name")
    name.fill("my_colours")
    name.press("Enter")
    settle(page)
    button = page.get_by_role("button", name="Start training")
    expect(button).to_be_enabled(timeout=60_000)
    button.click()
    # What comes of it is tested with the worker; here it is enough that it runs, and can be stopped.
    panel = page.locator(".st-key-run_panel")
    expect(panel.get_by_text("Features").first).to_be_visible(timeout=30_000)
    panel.get_by_role("button", name="Stop").click()
    expect(panel.get_by_text("Canceled")).to_be_visible(timeout=FINISH_MS)
    expect(panel.get_by_role("button", name="Resume from checkpoint")).to_be_visible()
