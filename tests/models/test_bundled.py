"""The models that come with imgrec: as their cards say, small enough, and as good as promised."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from imgrec.data.dataset import Images
from imgrec.data.training_arrays import load
from imgrec.inference import classify
from imgrec.metrics.classification import top_1
from imgrec.models import cards
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import Settings
from imgrec.training.recipes import RECIPES, Recipe, get_recipe

BUNDLED = [card for card in map(cards.read, sorted(cards.BUNDLED.glob("*.json")))]

# What an offline machine may cost a clone of the repository.
LARGEST_BYTES = 5_100_000
ALL_BYTES = 20_000_000

each = pytest.mark.parametrize("card", BUNDLED, ids=lambda card: card.name)


@each
def test_the_file_is_the_one_that_was_measured(card: cards.Card) -> None:
    data = card.weights.read_bytes()
    assert card.fields["weights"] == {
        "file": card.weights.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
    }
    assert len(data) <= LARGEST_BYTES


@each
def test_the_card_agrees_with_itself_and_with_its_recipe(card: cards.Card) -> None:
    metrics, recipe = card.metrics, get_recipe(card.name)
    matrix = np.array(metrics["confusion"])
    assert matrix.sum() == metrics["pictures"] == 10_000
    assert metrics["accuracy"] == pytest.approx(np.trace(matrix) / matrix.sum())
    assert Recipe.from_dict(card.fields["recipe"]) == recipe
    assert card.fields["model"]["parameters"] == recipe.parameters
    assert [row["epoch"] for row in card.curves] == list(range(1, recipe.epochs + 1))
    assert card.training_seconds == sum(row["seconds"] for row in card.curves)


@each
def test_it_stands_in_the_catalog(card: cards.Card) -> None:
    spec = BUILT_IN[card.name]
    assert spec.bundled
    assert spec.label_space == "cifar_10"
    assert card.name in RECIPES


def test_all_of_them_are_small_and_good() -> None:
    assert sum(card.weights.stat().st_size for card in BUNDLED) <= ALL_BYTES
    assert max(card.metrics["accuracy"] for card in BUNDLED) >= 0.93


@pytest.fixture(scope="module")
def test_images() -> Images:
    """CIFAR-10's test images, where they are on this machine."""
    settings = Settings.from_env()
    folder = settings.keras_home / "datasets"
    if not any((folder / name).exists() for name in ("cifar10.npz", "cifar-10-batches-py-target.tar.gz")):
        pytest.skip("CIFAR-10 is not under KERAS_HOME/datasets")
    found = load("cifar10", settings).test
    assert found is not None
    return found


@pytest.mark.slow
def test_what_is_served_is_as_good_as_the_cards_say(test_images: Images, tmp_path: Path) -> None:
    settings = Settings.from_env({"IMGREC_HOME": str(tmp_path), "KERAS_HOME": str(tmp_path), "IMGREC_OFFLINE": "1"})
    pool = classify.open_pool(settings)
    answers = {}
    for card in BUNDLED:
        spec = BUILT_IN[card.name]
        parts = [pool.predict(spec, test_images.pixels[i : i + 100])[0] for i in range(0, len(test_images), 100)]
        answers[card.name] = np.concatenate(parts)
        assert top_1(answers[card.name], test_images.targets) == pytest.approx(card.metrics["accuracy"], abs=2e-4)
    three = [answers[name] for name in ("cifar_vgg", "cifar_resnet", "cifar_dense")]
    assert top_1(np.mean(three, axis=0), test_images.targets) == pytest.approx(0.9467, abs=5e-4)
