"""The files of a page say what the page says."""

import json
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.images.decoding import decode
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import MIB
from imgrec.ui.compare import downloads
from imgrec.ui.image_input import Image
from imgrec.ui.settings_bar import Choice
from tests.ui.conftest import TEN_CLASS_MODELS, photo

CHOICE = Choice(tuple(BUILT_IN.get_specs(["mobilenet", "mobilenet_v2"])), k=2, rule="rank_vote")


def taken(name: str, color: str) -> Image:
    return Image(name, decode(photo(color), max_bytes=MIB, name=name))


@pytest.mark.parametrize("name", ["compare.py", "ensemble.py"])
def test_each_format_has_a_button(page: Callable[..., AppTest], name: str) -> None:
    labels = [button.label for button in page(name).get("download_button")]
    assert labels == ["Results as CSV", "As JSON", "As a report (HTML)"]


def test_the_report_has_each_image_with_its_sentence_and_command() -> None:
    text = downloads._content("html", [taken("<b>.jpg", "red"), taken("sky.jpg", "blue")], CHOICE)
    assert "Comparison of 2 images" in text
    assert "&lt;b&gt;.jpg" in text
    assert "imgrec predict sky.jpg --models mobilenet,mobilenet_v2 --rule rank_vote --top 2" in text
    assert text.count('class="sentence"') == 2
    assert "rank vote of 2" in text


def test_the_report_combines_models_of_each_label_space(here: set[str]) -> None:
    here.update(spec.name for spec in TEN_CLASS_MODELS)
    text = downloads._content("html", [taken("sky.jpg", "blue")], Choice((*CHOICE.specs, *TEN_CLASS_MODELS)))
    assert "mean of 2 · ImageNet" in text
    assert "mean of 2 · CIFAR-10" in text
    assert "Expected members of one label space" not in text


def test_json_and_report_have_the_same_first_class() -> None:
    image = taken("sky.jpg", "blue")
    found = json.loads(downloads._content("json", [image], CHOICE))
    label = found[0]["ensemble"]["top"][0]["label"]
    assert f">{label}</th>" in downloads._content("html", [image], CHOICE)
