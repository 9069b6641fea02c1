"""Large images are decoded in a process of their own: the same pixels, and a sentence when it dies."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgrec.errors import ImageError, ImageTooLargeError
from imgrec.images import decoder_process, limits
from imgrec.images.decoding import decode
from tests.images.test_decoding import MAX_BYTES, encoded, scene, with_alpha

IMAGES = {
    "WebP with transparency": lambda: encoded(with_alpha(scene()), "WebP"),
    "CMYK JPEG": lambda: encoded(scene().convert("CMYK"), "JPEG", progressive=True),
    "a very long image": lambda: encoded(scene(9_000, 700), "BMP"),
}


@pytest.mark.parametrize("make", IMAGES.values(), ids=IMAGES.keys())
def test_another_process_gives_the_same(make: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    data = make()
    here = decode(data, max_bytes=MAX_BYTES, name="a.tif")
    monkeypatch.setattr(limits, "MAX_HERE_BYTES", 0)

    there = decode(data, max_bytes=MAX_BYTES, name="a.tif")

    np.testing.assert_array_equal(there.pixels, here.pixels)
    assert (there.middle is None) == (here.middle is None)
    if here.middle is not None and there.middle is not None:
        np.testing.assert_array_equal(there.middle.array, here.middle.array)
    assert (there.notes, there.size_px, there.orientation) == (here.notes, here.size_px, here.orientation)


def test_a_damaged_image_is_refused_there_too(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(scene(960, 640), "JPEG")
    monkeypatch.setattr(limits, "MAX_HERE_BYTES", 0)

    with pytest.raises(ImageError, match=r"^The JPEG is incomplete, damaged, or takes more than 640 MiB"):
        decode(data[: len(data) // 2], max_bytes=MAX_BYTES)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no limit on data")
def test_a_decoder_that_takes_more_memory_than_it_may_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.new("RGB", (8_000, 8_000)), "PNG")
    monkeypatch.setattr(decoder_process, "_OTHER_BYTES", 0)
    monkeypatch.setattr(limits, "MAX_DECODER_BYTES", 1_000_000)

    with pytest.raises(ImageError, match="MiB, the limit"):
        decoder_process.read(data, "PNG", [])


def test_a_decoder_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_process, "TIMEOUT_S", 0.01)

    with pytest.raises(ImageTooLargeError, match="takes longer than"):
        decoder_process.read(encoded(scene(), "PNG"), "PNG", [])


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"sizes": [[9, 9]], "size_px": [9, 9]}\\n123'])
def test_a_decoder_that_dies_is_a_sentence(answer: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nprintf '{answer.decode()}'\nkill -9 $$\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))

    with pytest.raises(ImageTooLargeError, match=r"^The decoder of the PNG ended early"):
        decoder_process.read(encoded(scene(), "PNG"), "PNG", [])
