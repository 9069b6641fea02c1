"""An image reduced in bands is the one reduced as a whole."""

import numpy as np
import pytest
from PIL import Image

from imgrec.errors import ImageError
from imgrec.images import bands, color
from tests.images.test_decoding import scene, with_alpha

MODES = {
    "RGB": scene(97, 201),
    "gray": scene(97, 201).convert("L"),
    "one bit": scene(97, 201).convert("1"),
    "palette": scene(97, 201).convert("P"),
    "transparency below": with_alpha(scene(201, 97)).transpose(Image.Transpose.ROTATE_270),
    "CMYK": scene(97, 201).convert("CMYK"),
    "16 bits": Image.fromarray(np.arange(97 * 201, dtype=np.uint16).reshape(201, 97)),
    "32 bits": Image.fromarray(np.arange(97 * 201, dtype=np.int32).reshape(201, 97) - 5000),
    "floats": Image.fromarray(np.linspace(-3, 9, 97 * 201, dtype=np.float32).reshape(201, 97)),
}


@pytest.mark.parametrize("image", MODES.values(), ids=MODES.keys())
@pytest.mark.parametrize("factor", [1, 2, 7])
def test_bands_give_the_whole(image: Image.Image, factor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected_notes: list[str] = []
    whole = color.to_8_bit(image, 8, expected_notes)
    whole = whole.reduce(factor) if factor > 1 else whole
    monkeypatch.setattr(bands, "BAND_PIXELS", 2_000)
    notes: list[str] = []

    found = bands.reduce(bands.of_image(image), image.size, factor, 8, notes)

    np.testing.assert_array_equal(np.asarray(found), np.asarray(whole))
    assert notes == expected_notes


def test_rows_may_be_padded_and_must_be_whole() -> None:
    rows = b"\1\2\3\4\5\6--" * 5
    band = bands.of_bytes("RGB", (2, 5), rows, 8)

    np.testing.assert_array_equal(np.asarray(band(1, 3)), [[[1, 2, 3], [4, 5, 6]]] * 2)
    with pytest.raises(ImageError, match="fewer pixels"):
        bands.of_bytes("RGB", (2, 6), rows, 8)


def test_not_a_number_anywhere_is_refused() -> None:
    values = np.zeros((300, 90), np.float32)
    values[299, 89] = np.nan
    image = Image.fromarray(values)

    with pytest.raises(ImageError, match="not finite"):
        bands.reduce(bands.of_image(image), image.size, 1, 32, [])
