"""Facts of models: derived from layers for all built-in ones, measured for those with a card."""

from dataclasses import replace

import pytest

from imgrec.evaluation.model_facts import ModelFacts, facts_of
from imgrec.models import cards

CARD = cards.read(cards.BUNDLED / "cifar_vgg.json")


def test_facts_of_a_published_and_of_a_trained_model() -> None:
    found = facts_of({"mobilenet": 4_253_864, "cifar_vgg": 1_161_504, "gone": 1, "resnet50": 5}, [CARD])
    assert found["gone"] == found["resnet50"] == ModelFacts()
    assert (found["mobilenet"].training_seconds, found["mobilenet"].step_ms) == (None, None)
    assert found["mobilenet"].depth == 28
    trained = found["cifar_vgg"]
    assert trained.training_seconds == sum(row["seconds"] for row in CARD.curves)
    # 49,000 images in batches of 512: 95 steps an epoch.
    assert trained.step_ms == pytest.approx(1000 * CARD.training_seconds / (95 * len(CARD.curves)))
    assert trained.macs


@pytest.mark.parametrize("recipe", [None, "x", {}, {"batch_size": 0}])
def test_a_card_without_a_recipe_has_no_time_of_a_step(recipe: object) -> None:
    card = replace(CARD, fields=CARD.fields | {"recipe": recipe})
    assert facts_of({"cifar_vgg": 1}, [card])["cifar_vgg"].step_ms is None
