"""`Prediction` and `top_k`: what is refused, what is promised, and how ties end."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from imgrec.errors import InputError, LabelSpaceError
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import MAX_TOP_K, Classification, Prediction

PETS = LabelSpace("pets", ("tabby", "lynx", "beagle"), ("n02123045", "n02127052", None))
TAGS = LabelSpace("tags", ("cat", "fur", "tail"), (None, None, None), exclusive=False)


@pytest.mark.parametrize(
    ("probabilities", "error", "received"),
    [
        pytest.param([0.5, 0.5], LabelSpaceError, r"Received: \(2,\) from m", id="too few"),
        pytest.param([0.25] * 4, LabelSpaceError, r"Expected probabilities of shape \(3,\)", id="too many"),
        pytest.param([[0.5, 0.3, 0.2]], LabelSpaceError, r"Received: \(1, 3\)", id="a batch of one"),
        pytest.param([np.nan, 0.5, 0.5], InputError, "nan", id="NaN"),
        pytest.param([np.inf, 0.0, 0.0], InputError, "inf", id="infinity"),
        pytest.param([1.5, -0.5, 0.0], InputError, "from -0.5 to 1.5", id="outside [0, 1]"),
        pytest.param([4.2, 1.0, -3.0], InputError, "sum 2.2", id="logits"),
        pytest.param([50.0, 30.0, 20.0], InputError, "sum 100", id="percent"),
        pytest.param([0.5, 0.3, 0.1], InputError, "sum 0.9", id="sums to less than 1"),
        pytest.param([0.9, 0.9, 0.9], InputError, "sum 2.7", id="sigmoids for an exclusive space"),
    ],
)
def test_refuses(probabilities: object, error: type[InputError], received: str) -> None:
    with pytest.raises(error, match=received):
        Prediction("m", PETS, np.array(probabilities))


def test_independent_tags_need_not_sum_to_one() -> None:
    assert Prediction("m", TAGS, np.array([0.9, 0.9, 0.0])).top_k(1)[0].label == "cat"


@pytest.mark.parametrize("bad", [[0.9, np.nan, 0.1], [1.2, 0.0, 0.0]], ids=["NaN", "above 1"])
def test_independent_tags_are_still_in_range(bad: list[float]) -> None:
    with pytest.raises(InputError):
        Prediction("m", TAGS, np.array(bad))


def test_holds_its_own_read_only_float32_copy() -> None:
    given_ = np.array([0.5, 0.3, 0.2])
    prediction = Prediction("m", PETS, given_)
    given_[0] = 0.0
    assert prediction.probabilities.dtype == np.float32
    assert prediction.probabilities[0] == 0.5
    with pytest.raises(ValueError, match="read-only"):
        prediction.probabilities[0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        prediction.model = "other"  # type: ignore[misc]


def test_top_k_names_the_classes() -> None:
    top = Prediction("m", PETS, np.array([0.25, 0.75, 0.0])).top_k(2)
    assert top == [Classification("lynx", "n02127052", 1, 0.75), Classification("tabby", "n02123045", 0, 0.25)]


@pytest.mark.parametrize(
    ("probabilities", "order"),
    [
        pytest.param([0.4, 0.2, 0.4], [0, 2, 1], id="two first"),
        pytest.param([0.2, 0.4, 0.4], [1, 2, 0], id="two first, later"),
        pytest.param([1 / 3] * 3, [0, 1, 2], id="all"),
        pytest.param([0.0, 0.0, 1.0], [2, 0, 1], id="zeros"),
    ],
)
def test_ties_keep_the_order_of_the_label_space(probabilities: list[float], order: list[int]) -> None:
    assert [c.index for c in Prediction("m", PETS, np.array(probabilities)).top_k(3)] == order


@pytest.mark.parametrize("k", [0, 1, 3, MAX_TOP_K], ids=lambda k: f"k={k}")
def test_top_k_gives_as_many_as_there_are(k: int) -> None:
    assert len(Prediction("m", PETS, np.array([0.5, 0.3, 0.2])).top_k(k)) == min(k, 3)


@given(npst.arrays(np.float64, st.integers(1, 30), elements=st.floats(1e-6, 1)), st.integers(1, MAX_TOP_K))
def test_top_k_is_the_head_of_the_sorted_distribution(values: np.ndarray, k: int) -> None:
    space = LabelSpace("any", tuple(f"c{i}" for i in range(len(values))), (None,) * len(values))
    prediction = Prediction("m", space, values / values.sum())
    top = prediction.top_k(k)
    assert [c.probability for c in top] == sorted(map(float, prediction.probabilities), reverse=True)[:k]
    assert all(c.probability == prediction.probabilities[c.index] for c in top)
    assert len({c.index for c in top}) == len(top)
