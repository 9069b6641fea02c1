"""The report as a reader has it: whole, without requests or scripts, and safe whatever a file is called."""

import base64
import html
import io
import itertools
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from imgrec.errors import EngineError
from imgrec.formatting import percent
from imgrec.images.decoding import DecodedImage
from imgrec.images.raster import Raster
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions import out_of_distribution
from imgrec.predictions.ensembles import combine
from imgrec.predictions.labels import CIFAR_10, LabelSpace, get_label_space
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.reports.html_report import Entry, Map, Origin, to_html
from imgrec.reports.result import Result
from imgrec.reports.sentences import headline
from imgrec.settings import Settings

IMAGENET_1K = get_label_space("imagenet_1k")
SPECS = tuple(BUILT_IN.get_specs(["mobilenet", "mobilenet_v2"]))
COLORS = {"mobilenet": "#c86ebe", "mobilenet_v2": "#0a96f0"}
ORIGIN = Origin(
    {"mobilenet": "ab" * 32, "mobilenet_v2": None},
    {"imgrec": "9.9", "openvino": "1"},
    datetime(2026, 11, 28, 9, 5, tzinfo=UTC),
)


def prediction(model: str, first: int, second: int, space: LabelSpace = IMAGENET_1K) -> Prediction:
    probabilities = np.full(len(space.labels), 0.1 / (len(space.labels) - 2), np.float32)
    probabilities[[first, second]] = [0.6, 0.3]
    return Prediction(model, space, probabilities, 12.34)


MEMBERS = (prediction("mobilenet", 281, 282), prediction("mobilenet_v2", 282, 285))
RESULT = Result("cat.jpg", "cd" * 32, ("rotated by its EXIF tag",), MEMBERS, combine(MEMBERS))
IMAGE = DecodedImage(Raster(np.full((48, 64, 3), 90, np.uint8)), "JPEG", "cd" * 32, RESULT.notes, (480, 640))


class Reader(HTMLParser):
    """Collects tags with their attributes, and the text outside of styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and data.strip():
            self.words.append(re.sub(r"[ \n]+", " ", data).strip(" \n"))


def report(*entries: Entry, k: int = 2, origin: Origin = ORIGIN) -> str:
    return to_html(entries, k, specs=SPECS, framing="crop", origin=origin, colors=COLORS)


def test_it_says_what_the_page_says() -> None:
    read = Reader(report(Entry(RESULT, IMAGE, "imgrec predict cat.jpg --models mobilenet,mobilenet_v2")))
    assert read.open == []
    assert headline(MEMBERS, RESULT.ensemble) in read.words  # type: ignore[arg-type]
    for words in ("MobileNet", "MobileNetV2", "Ensemble", "12.3 ms", "640 × 480 px · JPEG · rotated by its EXIF tag"):
        assert words in read.words
    assert "imgrec predict cat.jpg --models mobilenet,mobilenet_v2" in read.words
    assert "ab" * 32 in read.words
    assert "28 November 2026, 09:05 UTC" in read.words
    assert any("imgrec 9.9" in words and "openvino 1" in words for words in read.words)
    assert any(words.startswith("Crop: ") for words in read.words)
    assert any(words.startswith("Entropy ") for words in read.words)


def test_each_bar_is_as_long_as_its_figure_says() -> None:
    read = Reader(report(Entry(RESULT, IMAGE)))
    shares = [
        float(re.fullmatch(r"--share: ([\d.]+)%", a["style"] or "")[1]) for t, a in read.tags if a.get("class") == "bar"
    ]  # type: ignore[index]
    assert shares == pytest.approx([45, 30, 60, 30, 60, 30], abs=0.02)
    figures = [words for words in read.words if re.fullmatch(r"<?[\d.]+\u202f%", words)]
    assert figures[: len(shares)] == [percent(share / 100) for share in shares]


def test_the_table_has_each_class_that_any_column_names_with_the_number_of_every_column() -> None:
    text = report(Entry(RESULT, IMAGE))
    table = text[text.index("All numbers") :]
    rows = re.findall(r'<th scope="row">(.+?)</th>((?:<td>.+?</td>)+)', table)[:3]
    assert [label for label, _ in rows] == ["tiger cat", "tabby", "Egyptian cat"]
    expected = [
        [percent(float(column.probabilities[index])) for column in (RESULT.ensemble.prediction, *MEMBERS)]  # type: ignore[union-attr]
        for index in (282, 281, 285)
    ]
    assert [re.findall(r"<td>(.+?)</td>", html.unescape(cells)) for _, cells in rows] == expected


def test_nothing_is_fetched_and_nothing_runs() -> None:
    read = Reader(report(Entry(RESULT, IMAGE, maps=(Map("MobileNet: tabby", b"\x89PNG", "the ears"),))))
    assert not {"script", "link", "iframe", "object", "a", "form"} & {tag for tag, _ in read.tags}
    sources = [attributes["src"] or "" for tag, attributes in read.tags if tag == "img"]
    assert len(sources) == 2
    assert all(source.startswith("data:image/") for source in sources)
    policy = next(a["content"] for t, a in read.tags if t == "meta" and a.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)


def test_the_image_and_maps_are_inside_with_their_words() -> None:
    maps = (Map("MobileNet: tabby", b"\x89PNG...", "Most weight on the ears"),)
    read = Reader(report(Entry(RESULT, IMAGE, alt="A gray cat", maps=maps)))
    photo, heat = [attributes for tag, attributes in read.tags if tag == "img"]
    assert (photo["alt"], heat["alt"]) == ("A gray cat", "Most weight on the ears")
    jpeg = base64.b64decode((photo["src"] or "").partition(",")[2])
    assert Image.open(io.BytesIO(jpeg)).size == (64, 48)
    assert "MobileNet: tabby" in read.words


def test_names_and_labels_are_text_and_never_markup() -> None:
    evil = '"><script>alert(1)</script>\u202egpj.jpg\x00'
    space = LabelSpace("mine", (evil, "{{ 7 * 7 }}"), (None, None))
    own = Prediction("own", space, np.array([0.7, 0.3]), title=evil)
    failed = Failure("mobilenet", EngineError(evil))
    entry = Entry(Result(evil, None, (), (own, failed), combine([own])), IMAGE, f"imgrec predict '{evil}'", alt=evil)
    text = report(entry)
    assert "<script" not in text
    assert "49" not in re.findall(r'scope="row">([^<]+)<', text)
    read = Reader(text)
    assert "{{ 7 * 7 }}" in read.words
    assert "\u202e" not in "".join(word for word in read.words if word.startswith('">'))[:60]
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)


def test_headings_regions_and_tables_can_be_read_aloud() -> None:
    read = Reader(report(Entry(RESULT, IMAGE)))
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    tags = [tag for tag, _ in read.tags]
    assert tags.count("caption") == tags.count("table") == 5
    assert all(attributes.get("alt") for tag, attributes in read.tags if tag == "img")
    assert all(
        attributes.get("aria-hidden") == "true" for _, attributes in read.tags if attributes.get("class") == "swatch"
    )


def test_an_image_that_cannot_be_used_has_its_sentence() -> None:
    read = Reader(report(Entry(RESULT, IMAGE), Entry(Result("not.jpg", None, error="This is an empty file."), None)))
    assert "Comparison of 2 images" in read.words
    assert "This is an empty file." in read.words


def test_a_model_that_failed_has_its_sentence_on_its_card() -> None:
    failed = Failure("mobilenet_v2", EngineError("It is broken."))
    result = replace(RESULT, outcomes=(MEMBERS[0], failed), ensemble=combine(MEMBERS[:1]))
    read = Reader(report(Entry(result, IMAGE)))
    assert "It is broken." in read.words
    assert "Ensemble" not in read.words  # of one model


def test_models_of_two_label_spaces_have_a_table_each() -> None:
    others = (prediction("cifar_vgg", 3, 5, CIFAR_10), prediction("cifar_resnet", 3, 5, CIFAR_10))
    result = Result("cat.jpg", None, (), (*MEMBERS, *others), None)
    read = Reader(report(Entry(result, IMAGE, groups=(combine(MEMBERS), combine(others)))))
    assert [words for words in read.words if words.startswith("All numbers")] == [
        "All numbers, ImageNet",
        "All numbers, CIFAR-10",
    ]
    assert "mean of 2 · CIFAR-10" in read.words
    assert all(headline(members, combine(members)) in read.words for members in (MEMBERS, others))


def test_weights_of_members_are_named_where_they_differ() -> None:
    result = replace(RESULT, ensemble=combine(MEMBERS, "weighted_mean", [3, 1]))
    read = Reader(report(Entry(result, IMAGE)))
    assert "MobileNet (weight 75.0\u202f%)" in read.words
    assert any(words.endswith("Combined by: weighted mean.") for words in read.words)


def test_the_origin_names_the_weights_of_this_machine(settings: Settings) -> None:
    origin = Origin.of([BUILT_IN["mobilenet"], BUILT_IN["cifar_vgg"]], settings)
    assert origin.weights_sha256 == {"mobilenet": None, "cifar_vgg": BUILT_IN["cifar_vgg"].weights.hash}
    assert origin.versions.keys() >= {"imgrec", "openvino", "Python"}
    assert origin.made_at.tzinfo is UTC


def test_a_report_says_what_unsure_means() -> None:
    networks = out_of_distribution.measured()["models"]
    members = tuple(
        Prediction(name, IMAGENET_1K, np.full(1000, 0.001), weights_sha256=networks[name]["weights_sha256"])
        for name in ("mobilenet", "mobilenet_v2")
    )
    result = replace(RESULT, outcomes=members, ensemble=combine(members))
    words = " ".join(Reader(report(Entry(result, IMAGE, "imgrec predict cat.jpg"))).words).replace("\u202f", " ")
    assert "Unsure: entropy 9.97 bits, the limit is " in words
    limit = out_of_distribution.measured_limit(combine(members))
    assert limit is not None
    kinds = [f"{percent(share, 0)} of {what}".replace("\u202f", " ") for what, share in limit.flagged.items()]
    assert f"with a class or without: {', '.join(kinds)}." in words
