"""The gallery: every image comes in through the same door, is small, and says where it is from."""

import json
from pathlib import Path

import pytest

from imgrec.errors import UnknownNameError
from imgrec.images.decoding import decode
from imgrec.images.gallery import SAMPLES_FOLDER, Sample, get_sample, get_samples
from imgrec.predictions import gallery_predictions
from imgrec.predictions.wordnet import ancestors
from imgrec.settings import ASSETS

# The gallery is loaded on the first visit, over a phone's network too.
MAX_SAMPLE_BYTES = 60_000
MAX_SIDE_PX = 640
# Two lines of the narrow column.
MAX_CAPTION = 90
LICENSES = {"CC0-1.0", "CC-BY-2.0", "public domain"}

each_sample = pytest.mark.parametrize("sample", get_samples(), ids=lambda sample: sample.file)


@each_sample
def test_each_sample_is_a_small_image(sample: Sample) -> None:
    data = sample.path.read_bytes()
    image = decode(data, max_bytes=MAX_SAMPLE_BYTES, name=sample.file)

    assert image.format == "JPEG"
    assert max(image.size_px) <= MAX_SIDE_PX


@each_sample
def test_each_sample_says_what_it_shows_and_whose_it_is(sample: Sample) -> None:
    assert all((sample.title, sample.alt, sample.author, sample.source, sample.changes))
    assert sample.license in LICENSES
    assert sample.caption.endswith(".")
    assert len(sample.caption) <= MAX_CAPTION
    assert not sample.alt.endswith(".")


def test_the_folder_holds_the_listed_images_and_no_others() -> None:
    listed = [sample.file for sample in get_samples()]

    assert sorted(listed) == sorted(path.name for path in Path(SAMPLES_FOLDER).glob("*.jpg"))
    assert 8 <= len(listed) <= 12


def test_captions_about_decoding_match_the_decoder() -> None:
    def notes(file: str) -> tuple[str, ...]:
        return decode(get_sample(file).path.read_bytes(), max_bytes=MAX_SAMPLE_BYTES).notes

    assert notes("cat.jpg") == ()
    assert notes("cat_sideways.jpg") == ("rotated by its EXIF tag",)
    assert notes("photographer.jpg")[0].startswith("grey")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("cat.jpg", "cat"),
        ("espresso.jpg", "espresso"),
        ("temple.jpg", "palace"),
        ("photographer.jpg", "tripod"),
        ("rocket.jpg", "obelisk"),
        ("horse_silhouette.jpg", "dog"),
    ],
)
def test_captions_about_imagenet_classes_name_imagenet_and_match_the_measurements(file: str, said: str) -> None:
    sample = get_sample(file)
    picture = decode(sample.path.read_bytes(), max_bytes=MAX_SAMPLE_BYTES)
    answer = gallery_predictions.stored("mobilenet_a075_224", picture.sha256, "crop")
    assert answer is not None
    best = answer.top_k(1)[0]
    assert best.synset is not None
    names = json.loads((ASSETS / "labels" / "imagenet_1k.json").read_text(encoding="utf-8"))["synsets"]
    assert any(said in names[synset][0] for synset in ancestors(best.synset)), best
    assert said in sample.caption
    # The networks that come along know ten classes, and may stand beside it.
    assert "ImageNet" in sample.caption


def test_an_unknown_sample_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"cat\.jpg"):
        get_sample("cats.jpg")
