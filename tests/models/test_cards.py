"""Cards: a model with one stands in the catalog, in its own label space."""

import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgrec.errors import InputError, StorageError, UnknownNameError
from imgrec.models import cards, weights
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.ensembles import combine
from imgrec.predictions.labels import CIFAR_10, LabelSpace, space_name
from imgrec.predictions.prediction import Prediction
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
        "licence": "yours",
    },
    "classes": ["sun", "rain"],
    "curves": [{"epoch": 1, "seconds": 1.5}, {"epoch": 2, "seconds": 2.0}],
    "metrics": {"accuracy": 0.5, "set": "test", "pictures": 4, "confusion": [[1, 1], [1, 1]]},
    "data": {"source": "/home/Jane Doe/weather", "trained_on": 8},
    "finished_at": "2026-01-01T00:00:00+00:00",
}

# The card of a model that was added from a file: nothing is known of its training.
ADDED_FIELDS: dict[str, Any] = {key: FIELDS[key] for key in ("model", "classes", "finished_at")} | {
    "imported": {
        "format": "ONNX",
        "file": "weather.onnx",
        "sha256": "ab" * 32,
        "size_bytes": 7,
        "outputs": "logits",
        "channels": "rgb",
    }
}

SPACE = space_name(FIELDS["classes"])


@pytest.fixture
def path(settings: Settings) -> Path:
    """Where the card belongs; its model is there already."""
    place = cards.home(settings)
    place.mkdir(parents=True)
    (place / "my_test_model.keras").write_bytes(b"weights")
    return place / "my_test_model.json"


def space_of(name: str, settings: Settings) -> LabelSpace:
    return cards.load_catalog(settings).get_spec(name).get_label_space()


def limit_of(name: str, settings: Settings) -> float | None:
    limit = space_of(name, settings).entropy_limit
    return None if limit is None else limit.entropy_bits


def test_a_card_makes_a_model_one_of_the_catalog(path: Path, settings: Settings) -> None:
    card = cards.write(path, FIELDS)
    catalog = cards.load_catalog(settings)
    assert cards.load_catalog(settings) is catalog
    assert catalog.own == {"my_test_model"}
    spec = catalog.get_spec("my_test_model")
    assert spec.get_label_space().labels == ("sun", "rain")
    assert spec.weights.hash == hashlib.sha256(b"weights").hexdigest()
    assert weights.find(spec, settings) == path.with_suffix(".keras")
    assert card.training_seconds == 3.5


@pytest.mark.parametrize(
    ("metrics", "limit"),
    [
        ({"entropy_bits_95": 0.7, "pictures": 20}, 0.7),
        ({"entropy_bits_95": 0.7, "pictures": 19}, None),
        ({"entropy_bits_95": None, "pictures": 20}, None),
        ({}, None),
        ({"entropy_bits_95": "no"}, None),
    ],
    ids=["enough", "set on too few by an older version", "too few", "of no version", "nonsense"],
)
def test_a_card_brings_its_own_limit_of_doubt(
    path: Path, settings: Settings, metrics: dict[str, object], limit: float | None
) -> None:
    cards.write(path, FIELDS | {"metrics": FIELDS["metrics"] | metrics})
    assert limit_of("my_test_model", settings) == limit


def second(path: Path, space: str, bits: float = 0.5, classes: tuple[str, ...] = ("sun", "rain")) -> None:
    """Another model beside the one at `path`, whose card calls its label space `space`."""
    other = path.with_name("my_second_model.json")
    other.with_suffix(".keras").write_bytes(b"more weights")
    fields = FIELDS | {"model": FIELDS["model"] | {"name": "my_second_model", "label_space": space}}
    fields |= {"classes": list(classes), "metrics": FIELDS["metrics"] | {"entropy_bits_95": bits, "pictures": 20}}
    cards.write(other, fields)


@pytest.mark.parametrize("space", [SPACE, "my_second_model_classes"], ids=["as now", "as before"])
def test_models_with_the_same_classes_can_be_combined(path: Path, settings: Settings, space: str) -> None:
    cards.write(path, FIELDS)
    second(path, space)
    specs = cards.load_catalog(settings).get_specs(["my_test_model", "my_second_model"])
    predictions = [
        Prediction(spec.name, spec.get_label_space(), np.array([share, 1 - share]), 1.0)
        for spec, share in zip(specs, (0.9, 0.5), strict=True)
    ]
    assert combine(predictions).prediction.probabilities.tolist() == pytest.approx([0.7, 0.3])
    assert cards.load_catalog(settings).problems == ()


def test_the_same_classes_in_another_order_are_other_classes(path: Path, settings: Settings) -> None:
    cards.write(path, FIELDS)
    second(path, "", classes=("rain", "sun"))
    assert (
        len({spec.label_space for spec in cards.load_catalog(settings).get_specs(["my_test_model", "my_second_model"])})
        == 2
    )


@pytest.mark.parametrize(("mine", "others"), [(0.7, 0.5), (0.5, 0.7)])
def test_the_larger_limit_of_doubt_counts(path: Path, settings: Settings, mine: float, others: float) -> None:
    cards.write(path, FIELDS | {"metrics": FIELDS["metrics"] | {"entropy_bits_95": mine, "pictures": 20}})
    second(path, SPACE, others)
    assert limit_of("my_test_model", settings) == limit_of("my_second_model", settings) == 0.7
    path.unlink()
    assert limit_of("my_second_model", settings) == others


def test_a_card_leaves_the_measured_limit_of_a_known_space_alone(path: Path, settings: Settings) -> None:
    second(path, "", 3.0, CIFAR_10.labels)
    assert space_of("my_second_model", settings) is CIFAR_10


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
    assert "my_test_model" not in cards.load_catalog(settings)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"finished_at": None, "data": {}},
            "Expected my_test_model.json to be a model's card with finished_at to be a text",
        ),
        ({"curves": []}, "curves of one epoch or more"),
        ({"metrics": {"accuracy": 0.5, "set": "test"}}, "with pictures"),
        ({"metrics": [1]}, "with metrics to be an object"),
    ],
    ids=["no data", "no curves", "half its metrics", "metrics of another kind"],
)
def test_what_the_pages_show_must_be_there(path: Path, fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        cards.write(path, FIELDS | fields)


def test_a_card_is_read_again_only_when_it_has_changed(
    path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards.write(path, FIELDS)
    reads: list[Path] = []
    read = cards.read
    monkeypatch.setattr(cards, "read", lambda path: reads.append(path) or read(path))

    def titles() -> list[str]:
        return [card.fields["model"]["title"] for card in cards.all_cards(settings) if card.path == path]

    assert titles() == titles() == ["Mine"]
    assert reads.count(path) == 1
    path.write_text(path.read_text().replace("Mine", "My own"))
    assert titles() == ["My own"]
    path.unlink()
    assert titles() == []


def test_a_card_that_goes_while_others_are_read_is_left_out(
    path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards.write(path, FIELDS)
    bundled = len(list(cards.BUNDLED.glob("*.json")))
    read = cards.read

    def gone(found: Path) -> cards.Card:
        path.unlink(missing_ok=True)
        return read(found)

    monkeypatch.setattr(cards, "read", gone)
    assert len(cards.all_cards(settings)) == bundled


def test_no_card(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        cards.read(tmp_path / "none.json")


def test_a_card_that_is_gone_takes_its_model_with_it_and_no_snapshot_changes(path: Path, settings: Settings) -> None:
    before = cards.load_catalog(settings)
    cards.write(path, FIELDS)
    during = cards.load_catalog(settings)
    path.unlink()
    assert "my_test_model" not in cards.load_catalog(settings)
    assert "my_test_model" in during
    assert "my_test_model" not in before


def test_a_card_that_is_written_anew_counts(path: Path, settings: Settings) -> None:
    cards.write(path, FIELDS)
    assert space_of("my_test_model", settings).labels == ("sun", "rain")
    cards.write(path, FIELDS | {"classes": ["sun", "rain", "snow"]})
    assert space_of("my_test_model", settings).labels == ("sun", "rain", "snow")


def _without_model(path: Path) -> None:
    cards.write(path, FIELDS)
    path.with_suffix(".keras").unlink()


def _half_written(path: Path) -> None:
    cards.write(path, FIELDS)
    path.write_text(path.read_text()[:100])


def _with_the_name_of_another(path: Path) -> None:
    cards.write(path, FIELDS | {"model": FIELDS["model"] | {"name": "mobilenet"}})


def _with_other_classes(path: Path) -> None:
    cards.write(path, FIELDS | {"model": FIELDS["model"] | {"label_space": "cats_and_dogs"}})


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_without_model, "Expected the model my_test_model.keras beside its card"),
        (_half_written, "to be a model's card"),
        (_with_the_name_of_another, "Expected a name that no other model has"),
        (_with_other_classes, "Expected the 2 classes of cats_and_dogs"),
    ],
)
def test_what_cannot_be_used_is_said(
    path: Path, settings: Settings, spoil: Callable[[Path], None], sentence: str
) -> None:
    cards.write(path, FIELDS)
    assert "my_test_model" in cards.load_catalog(settings)
    spoil(path)
    catalog = cards.load_catalog(settings)
    [problem] = catalog.problems
    assert sentence in problem.sentence
    assert dict(catalog) == dict(BUILT_IN)


def test_a_model_of_ones_own_is_removed_and_nothing_else(path: Path, settings: Settings) -> None:
    cards.write(path, FIELDS)
    other = path.with_name("other.keras")
    other.write_bytes(b"another")
    cards.remove("my_test_model", settings)
    assert "my_test_model" not in cards.load_catalog(settings)
    assert list(path.parent.iterdir()) == [other]


@pytest.mark.parametrize("name", ["mobilenet", "cifar_vgg", "../../etc/passwd", "my_test_model"])
def test_only_a_model_of_ones_own_can_be_removed(settings: Settings, name: str) -> None:
    with pytest.raises(UnknownNameError, match="model of your own"):
        cards.remove(name, settings)


def test_models_come_and_go_while_others_look(path: Path, settings: Settings) -> None:
    """Four threads go through snapshots, as pages do, while two more train and remove a model."""
    cards.write(path, FIELDS)
    text = path.read_text()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            catalog = cards.load_catalog(settings)
            assert len(catalog) - len(BUILT_IN) == len(catalog.own) <= 1
            assert all(catalog[name].get_label_space().labels == ("sun", "rain") for name in catalog.own)

    def come_and_go() -> None:
        for _ in range(4):
            path.unlink(missing_ok=True)
            cards.load_catalog(settings)
            path.write_text(text)
            cards.load_catalog(settings)

    with ThreadPoolExecutor(6) as threads:
        looking = [threads.submit(look) for _ in range(4)]
        coming = [threads.submit(come_and_go) for _ in range(2)]
        wait(coming)
        done.set()
        for future in (*looking, *coming):
            future.result()
    assert "my_test_model" in cards.load_catalog(settings)


def test_a_card_of_an_added_model(settings: Settings) -> None:
    place = cards.home(settings)
    place.mkdir(parents=True)
    (place / "my_test_model.zip").write_bytes(b"network")
    card = cards.write(place / "my_test_model.json", ADDED_FIELDS)
    assert card.is_added
    assert card.weights.name == "my_test_model.zip"
    assert cards.find("my_test_model", settings) is not None
    assert "my_test_model" in cards.load_catalog(settings)
    assert "my_test_model" not in {card.name for card in cards.all_cards(settings)}


@pytest.mark.parametrize(
    ("field", "value"),
    [("imported", []), ("imported", {}), ("classes", ["sun"]), ("model", None), ("finished_at", 7)],
)
def test_a_card_of_an_added_model_that_cannot_be_used(field: str, value: object, settings: Settings) -> None:
    place = cards.home(settings)
    place.mkdir(parents=True)
    (place / "my_test_model.zip").write_bytes(b"network")
    card = cards.write(place / "my_test_model.json", ADDED_FIELDS)
    card.path.write_text(json.dumps(card.fields | {field: value}))
    catalog = cards.load_catalog(settings)
    assert "my_test_model" not in catalog
    assert "Received" in catalog.problems[0].sentence
