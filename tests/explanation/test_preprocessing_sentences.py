from dataclasses import replace

import numpy as np
import pytest

from imgrec.explanation.preprocessing_sentences import describe_effect, explain, value_range
from imgrec.explanation.preprocessing_trials import OPTIONS, Preprocessing, correct_for, single_mistakes
from imgrec.formatting import THIN_SPACE
from imgrec.images.decoding import DecodedImage
from imgrec.images.raster import Raster
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Prediction

MOBILENET = BUILT_IN.get_spec("mobilenet")


def image(height: int = 400, width: int = 600, orientation: int = 1) -> DecodedImage:
    pixels = np.zeros((height, width, 3), np.uint8)
    return DecodedImage(Raster(pixels), "JPEG", "0" * 64, (), (height, width), orientation)


def words(model: str, **settings: str) -> str:
    spec = BUILT_IN.get_spec(model)
    fields = {"mode": spec.preprocess} | settings
    return explain(image(), spec, Preprocessing(**fields)).replace(THIN_SPACE, " ")


@pytest.mark.parametrize(
    ("model", "mode", "part"),
    [
        ("mobilenet", "identity", "trained on values from −1 to 1; it was given 0 to 255, so that the contrast is 128"),
        ("mobilenet", "identity", "most pixels are far brighter than white."),
        ("mobilenet", "unit", "black looks 50 % bright to it and white white: 50 % of the contrast is left"),
        (
            "mobilenet",
            "torch",
            "the contrast is 2.2 times as strong, and some pixels are darker than black or brighter",
        ),
        ("mobilenet", "caffe", "and red and blue are swapped"),
        ("vgg16", "tf", "the whole image looks nearly one gray to it: 0.8 % of the contrast is left, and red and blue"),
        ("vgg16", "identity", "trained on values from −124 to 151; it was given 0 to 255"),
        ("mobilenet_v3_small", "unit", "the whole image looks nearly black to it: 0.4 % of the contrast"),
        ("densenet121", "unit", "trained on values from −2.1 to 2.6"),
        ("capstone_cnn", "identity", "trained on values from 0 to 1; it was given 0 to 255"),
    ],
)
def test_a_wrong_normalization_is_told_as_what_the_network_sees(model: str, mode: str, part: str) -> None:
    assert part in words(model, mode=mode)


@pytest.mark.parametrize("model", ["mobilenet", "vgg16", "densenet121", "capstone_cnn", "mobilenet_v3_small"])
def test_every_mistake_has_one_sentence(model: str) -> None:
    spec = BUILT_IN.get_spec(model)
    for tried in single_mistakes(spec):
        found = explain(image(), spec, tried)
        assert found.endswith(".")
        assert found.count(". ") == 0, found
    assert explain(image(), spec, correct_for(spec)) == f"These are the settings that {spec.title} was trained with."


def test_swaps_that_cancel_are_told_so() -> None:
    assert "swaps red and blue back" in words("mobilenet", mode="caffe", channels="bgr")
    assert words("mobilenet", mode="unit", channels="bgr").endswith("as OpenCV does, which swaps red and blue.")
    assert "red and blue are swapped" in words("vgg16", channels="bgr")


@pytest.mark.parametrize(
    ("orientation", "part"),
    [(1, "changes nothing"), (2, "mirrored"), (3, "upside down"), (6, "on its side"), (8, "on its side")],
)
def test_the_sentence_about_exif_follows_from_the_tag(orientation: int, part: str) -> None:
    tried = Preprocessing("tf", exif="off")
    assert part in explain(image(orientation=orientation), MOBILENET, tried)


def test_a_heic_is_turned_by_its_decoder() -> None:
    heic = replace(image(), format="HEIC")
    assert "by its decoder" in explain(heic, MOBILENET, Preprocessing("tf", exif="off"))


def test_the_factor_is_that_of_the_image_as_it_lies() -> None:
    tried = Preprocessing("tf", framing="squash", exif="off")
    assert "1.50 times too wide" in explain(image(orientation=6), MOBILENET, tried)
    assert "1.50 times too high" in explain(image(orientation=3), MOBILENET, tried)


def test_framings_are_told_with_their_factors() -> None:
    assert "1.50 times too high" in words("mobilenet", framing="squash")
    assert "Gray bars fill 33 % of the input" in words("mobilenet", framing="letterbox")
    square = explain(image(300, 300), MOBILENET, Preprocessing("tf", framing="letterbox")).replace(THIN_SPACE, " ")
    assert square == "The whole image was fitted to the input instead of its center; things look 88 % as large."
    tall = explain(image(600, 400), MOBILENET, Preprocessing("tf", framing="squash"))
    assert "1.50 times too wide" in tall


@pytest.mark.parametrize(
    ("side", "part"), [(100, "enlarged to a square"), (256, "edges turn into steps"), (900, "of about 12")]
)
def test_nearest_is_told_by_how_much_is_dropped(side: int, part: str) -> None:
    assert part in explain(image(side, side), MOBILENET, Preprocessing("tf", resampling="nearest"))


def test_ranges_are_those_of_the_normalizations() -> None:
    assert value_range("tf") == (-1, 1)
    assert value_range("unit") == (0, 1)
    assert value_range("caffe") == pytest.approx((-123.68, 255 - 103.939))
    assert set(OPTIONS["mode"]) == {"caffe", "tf", "torch", "unit", "identity"}


def test_the_effect_has_points_and_percent() -> None:
    space = LabelSpace("three", ("cat", "dog", "cup"), (None,) * 3)
    before = Prediction("a", space, np.array([0.8, 0.1, 0.1]))
    after = Prediction("a", space, np.array([0.2, 0.7, 0.1]))
    assert describe_effect(before, after).replace(THIN_SPACE, " ") == (
        "cat: 80.0 % → 20.0 % (−60.0 points, −75.0 %); now first: dog 70.0 %."
    )
    assert (
        describe_effect(before, before)
        .replace(THIN_SPACE, " ")
        .endswith("(0 points, unchanged); still the first class.")
    )
