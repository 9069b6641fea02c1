"""Search spaces: what may be typed, what a recipe becomes, and that the printed winners are in theirs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrec.errors import InputError, UnknownNameError
from imgrec.training.recipes import MAX_BATCH_SIZE, RECIPES, get_recipe
from imgrec.training.search_spaces import SPACES, Hyperparameter, Value, apply, around, get_space, parse


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("units=32:128:16", "steps", (32, 48, 64, 80, 96, 112, 128)),
        ("dropout=0:0.2:0.05", "steps", (0.0, 0.05, 0.1, 0.15, 0.2)),
        ("units=1:8:3", "steps", (1, 4, 7)),
        ("learning_rate=1e-4:1e-2:log", "log", (1e-4, 1e-2)),
        (" momentum = 0 : 0.9 ", "linear", (0, 0.9)),
        ("batch_size=32,64", "choice", (32, 64)),
        ("batch_size=32", "choice", (32,)),
        ("padding=same, valid", "choice", ("same", "valid")),
    ],
)
def test_a_hyperparameter_is_typed_as_it_is_written(text: str, kind: str, values: tuple[Value, ...]) -> None:
    found = parse(text)
    assert found == Hyperparameter(text.partition("=")[0].strip(), kind, values)
    assert parse(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "batch_size",
        "batch_size=",
        "=3:5",
        "a b=3:5",
        "rate=5:3",
        "rate=3:3",
        "rate=1:5:9",
        "rate=1:5:-1",
        "rate=1:5:0",
        "rate=0:1:1e-9",
        "rate=0:1:log",
        "rate=1:2:3:4",
        "rate=low:high",
        "rate=1:nan",
        "rate=1:inf",
        "size=3,3",
        "size=3,same",
    ],
)
def test_what_cannot_be_meant_gets_a_sentence(text: str) -> None:
    with pytest.raises(InputError, match=r"Expected .*Received: "):
        parse(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("filters=1:5:1", "setting of tuned_cnn_6"),
        ("batch_size=16:24", "whole numbers"),
        ("batch_size=0:64:16", f"from 1 to {MAX_BATCH_SIZE}"),
        ("learning_rate=0:1", "learning_rate from"),
        ("momentum=0.5:1.5", "momentum from"),
        ("conv_1_filter=8:100000:8", "conv_1_filter from"),
        ("dense_1_units=many,few", "for dense_1_units"),
        ("label_smoothing=a,b", "Expected numbers for label_smoothing"),
    ],
)
def test_a_space_refuses_what_its_recipe_cannot_be(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        get_space("six_layers").varied([text])


def test_another_range_takes_the_place_of_the_one_with_its_name() -> None:
    space = get_space("six_layers").varied(["conv_1_kernel=5", "learning_rate=1e-4:1e-2:log"])
    assert [one.name for one in space.hyperparameters] == [
        "conv_1_filter",
        "conv_1_kernel",
        "conv_2_filter",
        "conv_2_kernel",
        "dense_1_units",
        "learning_rate",
    ]
    assert space.hyperparameters[1].count == 1
    assert space.count is None


def test_values_go_where_they_belong() -> None:
    recipe = apply(
        get_recipe("tuned_cnn_6"), {"learning_rate": 0.5, "batch_size": 8, "label_smoothing": 0.1, "conv_1_filter": 32}
    )
    assert (recipe.optimizer.learning_rate, recipe.batch_size, recipe.label_smoothing) == (0.5, 8, 0.1)
    assert dict(recipe.arguments) == dict(get_recipe("tuned_cnn_6").arguments) | {"conv_1_filter": 32}


@pytest.mark.parametrize(
    ("name", "parameters", "printed"),
    [("six_layers", 940_458, (80, 5, 48, 5, 96)), ("five_layers", 2_379_818, (112, 3, 64, 5, 96))],
)
def test_each_space_has_the_published_result(name: str, parameters: int, printed: tuple[int, ...]) -> None:
    space = SPACES[name]
    winner: dict[str, Value] = dict(zip([one.name for one in space.hyperparameters], printed, strict=True))
    assert all(winner[one.name] in one.values for one in space.hyperparameters)
    # The recipe is the winner itself; that its network has so many parameters is counted in test_training.py.
    assert apply(get_recipe(space.recipe), winner) == get_recipe(space.recipe)
    assert get_recipe(space.recipe).parameters == parameters
    assert space.is_published
    assert space.count == 588


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_a_space_around_itself(name: str) -> None:
    space, recipe = around(RECIPES[name]), RECIPES[name]
    assert space.varied([]) == space
    found = {one.name: one for one in space.hyperparameters}
    assert found["learning_rate"].low < recipe.optimizer.learning_rate < found["learning_rate"].high
    assert recipe.batch_size in found["batch_size"].values
    assert ("label_smoothing" in found) == bool(recipe.label_smoothing)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="six_layers"):
        get_space("six_layer")


@given(low=st.floats(1e-6, 1e3), factor=st.floats(1.001, 1e6), share=st.floats(0, 1), log=st.booleans())
def test_places_and_marks_lie_on_the_axis(low: float, factor: float, share: float, log: bool) -> None:
    found = parse(f"rate={low!r}:{low * factor!r}{':log' if log else ''}")
    assert found.count is None
    assert 0 <= found.place(low + share * (found.high - low)) <= 1 + 1e-9
    assert all(0 <= found.place(mark) <= 1 for mark in found.marks())


@given(low=st.integers(1, 50), step=st.integers(1, 16), steps=st.integers(1, 9))
def test_a_range_in_steps_has_its_steps_and_no_others(low: int, step: int, steps: int) -> None:
    found = parse(f"units={low}:{low + step * steps}:{step}")
    assert found.is_whole
    assert found.values == tuple(range(low, low + step * steps + 1, step))
    assert isinstance(found.rounded(float(low)), int)
    assert {found.marks()[0], found.marks()[-1]} <= set(found.values)


def test_what_is_drawn_can_be_typed() -> None:
    assert parse("rate=1e-4:1e-2:log").rounded(0.00123456) == 0.00123
    assert parse("share=0:0.2:0.05").rounded(0.15000000000000002) == 0.15
    assert parse("size=3,5").rounded(5) == 5
    assert parse("padding=same,valid").rounded("valid") == "valid"
