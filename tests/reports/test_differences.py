"""Two results side by side: every class that either names, and how far its probability moved."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imgrec.errors import EngineError
from imgrec.predictions.ensembles import combine
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.reports.differences import ABSENT, COLUMNS, differences
from imgrec.reports.result import Result

PETS = LabelSpace("pets", ("tabby", "lynx", "beagle"), (None, None, None))


def result(*rows: tuple[str, list[float]]) -> Result:
    members = tuple(Prediction(name, PETS, np.array(probabilities)) for name, probabilities in rows)
    return Result("cat.jpg", None, (), members, combine(members))


FIRST = result(("vgg16", [0.7, 0.2, 0.1]), ("mine", [0.5, 0.5, 0.0]))
SECOND = result(("vgg16", [0.1, 0.3, 0.6]), ("xception", [0.2, 0.2, 0.6]))


def test_the_ensemble_comes_first_then_the_models_of_both() -> None:
    found = differences(FIRST, SECOND, 2)
    assert [one.title for one in found] == ["Ensemble", "VGG16", "mine", "Xception"]
    assert found[1].rows == (
        dict(zip(COLUMNS, ("tabby", "70.0\u202f%", "10.0\u202f%", "−60.0"), strict=True)),
        dict(zip(COLUMNS, ("lynx", "20.0\u202f%", "30.0\u202f%", "+10.0"), strict=True)),
        dict(zip(COLUMNS, ("beagle", "10.0\u202f%", "60.0\u202f%", "+50.0"), strict=True)),
    )
    assert found[1].sentence == "VGG16: tabby became beagle; largest change tabby, −60.0 points."


def test_a_model_that_answered_once_has_no_change() -> None:
    mine, xception = differences(FIRST, SECOND, 1)[2:]
    assert [(row["Second"], row["Change"]) for row in mine.rows] == [(ABSENT, ABSENT)]
    assert mine.sentence == "mine answered only in the first."
    assert xception.sentence == "Xception answered only in the second."


def test_the_same_result_has_no_difference() -> None:
    found = differences(FIRST, FIRST)
    assert {row["Change"] for one in found for row in one.rows} == {"0"}
    assert all(row["First"] == row["Second"] != ABSENT for one in found for row in one.rows)
    assert found[0].sentence == "Ensemble: no difference."


def test_one_model_has_no_ensemble_and_failures_are_left_out() -> None:
    alone = replace(
        result(("vgg16", [0.7, 0.2, 0.1])), outcomes=(FIRST.predictions[0], Failure("mine", EngineError("no")))
    )
    assert [one.title for one in differences(alone, alone)] == ["VGG16"]


shares = arrays(np.float64, 3, elements=st.floats(0.01, 1)).map(lambda values: values / values.sum())


@given(shares, shares)
def test_the_way_back_has_the_opposite_changes(before: np.ndarray, after: np.ndarray) -> None:
    there = differences(result(("vgg16", list(before))), result(("vgg16", list(after))), 3)[0]
    back = differences(result(("vgg16", list(after))), result(("vgg16", list(before))), 3)[0]
    opposite = str.maketrans("+−<>", "−+><")
    changes = {row["Class"]: row["Change"] for row in back.rows}
    assert changes == {row["Class"]: row["Change"].translate(opposite) for row in there.rows}
