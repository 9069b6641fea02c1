"""One classification for a page: what is computed, what is known already, and what is kept apart."""

from dataclasses import replace

import numpy as np
import pytest

from imgrec.images.decoding import decode
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.ensembles import Ensemble
from imgrec.predictions.prediction import Failure
from imgrec.ui import caches, image_input, results
from imgrec.ui.image_input import Image
from imgrec.ui.settings_bar import Choice
from tests.ui.conftest import TEN_CLASSES, BrokenEngine, CatEngine, photo

SPECS = tuple(BUILT_IN[name] for name in ("mobilenet", "mobilenet_v2"))


@pytest.fixture
def asked(engines: dict[str, object]) -> list[str]:
    """The models that ran, in order."""
    ran: list[str] = []

    class Counting(CatEngine):
        def predict(self, batch: np.ndarray) -> np.ndarray:
            ran.append(self.spec.name)
            return super().predict(batch)

    engines |= dict.fromkeys(["mobilenet", "mobilenet_v2", TEN_CLASSES.name], Counting)
    return ran


def image(color: str = "red") -> Image:
    return Image(f"{color}.jpg", decode(photo(color), max_bytes=100_000))


def test_an_outcome_is_handed_over_before_the_next_model_runs(asked: list[str]) -> None:
    seen: list[tuple[str, int]] = []
    found = results.classify(image(), Choice(SPECS))
    assert [spec.name for spec in found.computing] == ["mobilenet", "mobilenet_v2"]
    result = found.finish(lambda outcome: seen.append((outcome.model, len(asked))))
    assert sorted(ran for _, ran in seen) == [1, 2]
    assert [one.model for one in result.predictions] == ["mobilenet", "mobilenet_v2"]
    assert isinstance(result.ensemble, Ensemble)
    assert (result.image, result.sha256) == ("red.jpg", image().id)


def test_a_prediction_is_computed_once_for_model_weights_image_and_framing(asked: list[str]) -> None:
    choice = Choice(SPECS[:1])
    for changed in (choice, choice, replace(choice, k=3, rule="rank_vote", table=True)):
        results.classify(image(), changed).finish()
    assert len(asked) == 1
    results.classify(image(), replace(choice, framing="squash")).finish()
    assert len(asked) == 2
    results.classify(image("blue"), choice).finish()
    assert len(asked) == 3
    trained_again = replace(SPECS[0], weights=replace(SPECS[0].weights, hash="0" * 64))
    results.classify(image(), Choice((trained_again,))).finish()
    assert len(asked) == 4


def test_known_outcomes_come_first_and_nothing_is_computed_twice(asked: list[str]) -> None:
    results.classify(image(), Choice(SPECS[1:])).finish()
    found = results.classify(image(), Choice(SPECS))
    assert (list(found.known), [spec.name for spec in found.computing]) == (["mobilenet_v2"], ["mobilenet"])
    seen: list[str] = []
    found.finish(lambda outcome: seen.append(outcome.model))
    assert seen == ["mobilenet_v2", "mobilenet"]
    assert asked == ["mobilenet_v2", "mobilenet"]


def test_a_failure_is_an_outcome_and_is_tried_again(engines: dict[str, object]) -> None:
    engines["mobilenet"] = BrokenEngine
    found = results.classify(image(), Choice(SPECS)).finish()
    assert [failure.title for failure in found.failures] == ["MobileNet"]
    assert isinstance(found.ensemble, Ensemble)
    assert [spec.name for spec in results.classify(image(), Choice(SPECS)).computing] == ["mobilenet"]


def test_the_oldest_predictions_are_dropped(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "MAX_PREDICTIONS", 2)
    for color in ("red", "green", "blue"):
        results.classify(image(color), Choice(SPECS[:1])).finish()
    assert [bool(results.classify(image(c), Choice(SPECS[:1])).known) for c in ("red", "green", "blue")] == [
        False,
        True,
        True,
    ]


def test_models_that_are_not_ready_are_missing_but_for_precomputed_samples(here: set[str]) -> None:
    here.clear()
    assert results.classify(image(), Choice(SPECS)).missing == SPECS
    found = results.classify(image_input.example(), Choice(SPECS))
    assert (found.missing, found.ready, list(found.known)) == ((), (), ["mobilenet", "mobilenet_v2"])


def test_each_label_space_has_its_ensemble(asked: list[str], here: set[str]) -> None:
    here.add(TEN_CLASSES.name)
    choice = Choice((*SPECS, TEN_CLASSES))
    result = results.classify(image(), choice).finish()
    assert isinstance(result.ensemble, Failure)
    groups = results.by_label_space(result, choice)
    assert {space: [one.model for one in members] for space, (members, _) in groups.items()} == {
        "imagenet_1k": ["mobilenet", "mobilenet_v2"],
        "cifar_10": [TEN_CLASSES.name],
    }
    assert all(isinstance(ensemble, Ensemble) for _, ensemble in groups.values())
