from collections.abc import Mapping

import numpy as np
import pytest

from imgrec.errors import EngineError
from imgrec.explanation.corruptions import CORRUPTIONS, STRENGTHS
from imgrec.explanation.robustness import (
    ALL_DAMAGE,
    UNDAMAGED,
    Damage,
    describe_first_change,
    describe_mean,
    predict_damaged,
    summarize,
)
from imgrec.formatting import THIN_SPACE
from imgrec.images.decoding import DecodedImage
from imgrec.images.raster import Raster
from imgrec.inference.pool import EnginePool
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.settings import MIB
from tests.fakes import FakeEngine, fake_spec

SPACE = LabelSpace("three", ("cat", "dog", "cup"), (None,) * 3)


def predictions(model: str, changed: Mapping[Damage, float]) -> dict[Damage, Prediction]:
    """Cat with 80 %, and dog with the given probability at the damages of `changed`."""
    rows = {}
    for damage in ALL_DAMAGE:
        dog = changed.get(damage, 0.1)
        rows[damage] = Prediction(model, SPACE, np.array([0.9 - dog, dog, 0.1]), title=model.upper())
    return rows


def image() -> DecodedImage:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 320, 3), np.uint8)
    return DecodedImage(Raster(pixels), "JPEG", "ab" * 32, (), (300, 320))


def test_curves_are_the_probabilities_of_the_first_class() -> None:
    found = summarize([predictions("a", {("noise", 5): 0.6, ("blur", 3): 0.7})])
    assert found.probability["noise"] == pytest.approx([0.8, 0.8, 0.8, 0.8, 0.8, 0.3])
    assert found.kept["noise"].tolist() == [1, 1, 1, 1, 1, 0]
    assert found.kept_in_all == pytest.approx(38 / 40)


def test_curves_of_several_images_are_their_mean() -> None:
    found = summarize([predictions("a", {("noise", 1): 0.6}), predictions("a", {})])
    assert found.probability["noise"][1] == pytest.approx((0.3 + 0.8) / 2)
    assert found.kept["noise"][1] == 0.5
    assert found.images == 2


def test_another_class_can_be_followed() -> None:
    found = summarize([predictions("a", {("noise", 1): 0.6})], index=1)
    assert found.probability["noise"][:2] == pytest.approx([0.1, 0.6])


def test_the_first_to_change_its_mind_is_named() -> None:
    sentence = describe_first_change(
        {
            "a": predictions("a", {("noise", 2): 0.6, ("jpeg", 2): 0.7, ("blur", 5): 0.7}),
            "b": predictions("b", {("blur", 3): 0.7}),
        }
    ).replace(THIN_SPACE, " ")
    assert sentence == (
        "The first to change its mind is A: noise and JPEG of strength 2 are each enough: with noise it says dog "
        "(60.0 %) instead of cat. B keeps its first class longest: in 39 of 40."
    )


def test_one_model_and_no_change_have_their_own_sentences() -> None:
    one = describe_first_change({"a": predictions("a", {("noise", 2): 0.6})}).replace(THIN_SPACE, " ")
    assert one.startswith("A keeps its first class in 39 of 40. Noise of strength 2 is enough: it says dog (60.0 %)")
    assert describe_first_change({"a": predictions("a", {})}) == "No damage changes the first class."
    several = describe_first_change({name: predictions(name, {}) for name in "ab"})
    assert several == "No damage changes the first class of any model."


def test_the_mean_names_all_models_the_steadiest_first() -> None:
    worse = summarize([predictions("a", {("noise", s): 0.6 for s in STRENGTHS})])
    better = summarize([predictions("b", {})])
    assert describe_mean([worse, better]).replace(THIN_SPACE, " ").endswith("first class: B 100.0 %, A 87.5 %.")


def test_every_model_sees_every_damage_and_the_same_image() -> None:
    class Recorder(FakeEngine):
        def predict(self, batch: np.ndarray) -> np.ndarray:
            seen.append(batch[0])
            return super().predict(batch)

    seen: list[np.ndarray] = []
    specs = [fake_spec("one"), fake_spec("two")]
    pool = EnginePool(100 * MIB, load=lambda spec: Recorder(), estimate=lambda spec: MIB)
    outcomes = list(predict_damaged(image(), specs, pool))
    assert len(outcomes) == 2 * len(ALL_DAMAGE) == 2 * (1 + len(CORRUPTIONS) * len(STRENGTHS))
    assert outcomes[0][0] == UNDAMAGED
    assert all((seen[i] == seen[i + 1]).all() for i in range(0, len(seen), 2))
    assert (seen[0] != seen[2]).any()


def test_known_outcomes_are_left_out_and_a_failing_model_is_asked_once() -> None:
    class Broken(FakeEngine):
        def predict(self, batch: np.ndarray) -> np.ndarray:
            raise EngineError("Expected an engine. Received: none.")

    good, bad = fake_spec("good"), fake_spec("bad")
    pool = EnginePool(100 * MIB, load=lambda spec: Broken() if spec is bad else FakeEngine(), estimate=lambda spec: MIB)
    known = {damage for damage in ALL_DAMAGE if damage[1] > 1}
    outcomes = list(
        predict_damaged(image(), [good, bad], pool, is_known=lambda spec, damage: spec is good and damage in known)
    )
    failures = [outcome for _, outcome in outcomes if isinstance(outcome, Failure)]
    assert len(failures) == 1
    assert len(outcomes) - 1 == len(ALL_DAMAGE) - len(known)
