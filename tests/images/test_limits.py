"""What a header may say: 50 megapixels in every format, and a sentence that names the limit beyond."""

import pytest

from imgrec.errors import ImageTooLargeError
from imgrec.images import limits
from imgrec.settings import MIB

PHONE = (8_640, 5_760)

# What 64 coefficients of 2 bytes take for each pixel of a JPEG in four full planes, the most of all.
COEFFICIENT_BYTES = 8


@pytest.mark.parametrize("kind", limits.BYTES_PER_PIXEL)
def test_fifty_megapixels_pass_in_every_format(kind: str) -> None:
    width, height = PHONE
    extra_bytes = COEFFICIENT_BYTES * width * height if kind == "JPEG" else 0
    taken_bytes = limits.decoder_bytes(kind, width, height, extra_bytes)

    limits.check_size(kind, width, height, taken_bytes)

    assert taken_bytes <= 640 * MIB


@pytest.mark.parametrize("kind", limits.BYTES_PER_PIXEL)
def test_the_sentence_names_a_limit_that_passes(kind: str) -> None:
    width = height = 20_000
    with pytest.raises(ImageTooLargeError, match=r"the limit is \d+\. Use a smaller image\.$") as caught:
        limits.check_size(kind, width, height, limits.decoder_bytes(kind, width, height))

    named = int(str(caught.value).split("the limit is ")[1].split(".")[0])
    side = int((named * 1e6 - 1e6) ** 0.5)
    limits.check_size(kind, side, side, limits.decoder_bytes(kind, side, side))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "HEIC"])
def test_twelve_megapixels_need_no_process_of_their_own(kind: str) -> None:
    assert limits.decoder_bytes(kind, 4_032, 3_024) <= limits.MAX_HERE_BYTES


def test_a_baseline_jpeg_of_any_size_needs_none() -> None:
    assert limits.decoder_bytes("JPEG", 12_000, 8_000) <= limits.MAX_TOGETHER_BYTES


def test_what_is_too_narrow_to_be_reduced_takes_more() -> None:
    assert limits.decoder_bytes("PNG", 1_279, 1_280) > limits.decoder_bytes("PNG", 1_280, 1_280)
