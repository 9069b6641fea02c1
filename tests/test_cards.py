"""Cards: a model with one stands in the catalogue, in its own label space."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgrec import cards, weights
from imgrec.catalogue import CATALOGUE, get_spec
from imgrec.errors import InputError, StorageError
from imgrec.labels import LABEL_SPACES, get_label_space
from imgrec.settings import Settings

FIELDS: dict[str, Any] = {
    "model": {
        "name": "my_test_model",
        "title": "Mine",
        "architecture": "simple_cnn",
        "input_size": [32, 32],
        "preprocess": "unit",
        "crop_fraction": 1.0,
        "label_space": "my_test_model_classes",
        "parameters": 7,
        "cam_layer": "features",
        "licence": "yours",
    },
    "classes": ["sun", "rain"],
    "curves": [{"seconds": 1.5}, {"seconds": 2.0}],
    "metrics": {"accuracy": 0.5},
}


@pytest.fixture
def path(settings: Settings) -> Iterator[Path]:
    """Where the card belongs; its model is there already."""
    place = cards.home(settings)
    place.mkdir(parents=True)
    (place / "my_test_model.keras").write_bytes(b"weights")
    yield place / "my_test_model.json"
    CATALOGUE.pop("my_test_model", None)
    LABEL_SPACES.pop("my_test_model_classes", None)


def test_a_card_makes_a_model_one_of_the_catalogue(path: Path, settings: Settings) -> None:
    card = cards.write(path, FIELDS)
    cards.register(settings)
    cards.register(settings)
    spec = get_spec("my_test_model")
    assert get_label_space(spec.label_space).labels == ("sun", "rain")
    assert spec.weights.hash == hashlib.sha256(b"weights").hexdigest()
    assert weights.find(spec, settings) == path.with_suffix(".keras")
    assert card.training_seconds == 3.5


def test_names_that_are_taken_get_a_number(path: Path, settings: Settings) -> None:
    cards.write(path, FIELDS)
    assert cards.free_name("my_test_model", settings) == "my_test_model_2"
    assert cards.free_name("my_other_model", settings) == "my_other_model"


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", json.dumps(FIELDS), json.dumps(FIELDS | {"card_version": 99})],
    ids=["empty", "no fields", "a list", "no version", "of the future"],
)
def test_an_unusable_card_is_named_and_left_out(path: Path, settings: Settings, text: str) -> None:
    path.write_text(text)
    with pytest.raises(InputError, match="card"):
        cards.read(path)
    cards.register(settings)
    assert "my_test_model" not in CATALOGUE


def test_no_card(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        cards.read(tmp_path / "none.json")
