"""Groups that a visitor names: read, written, rolled up."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imgrec.errors import ImgrecError, InputError, LabelSpaceError, UnknownNameError
from imgrec.predictions import class_groups, wordnet
from imgrec.predictions.class_groups import (
    EXAMPLE,
    MAX_CHARACTERS,
    MAX_GROUPS,
    MAX_NAME,
    NAME,
    REST,
    ClassGroup,
    ClassGroups,
)
from imgrec.predictions.ensembles import combine
from imgrec.predictions.labels import CATS_AND_DOGS, CIFAR_10, LabelSpace, get_label_map, get_label_space
from imgrec.predictions.prediction import Prediction

IMAGENET = get_label_space("imagenet_1k")
CAT, DOG, MINIVAN = "n02121620", "n02084071", "n03770679"
CATS = ClassGroups((ClassGroup("cat", (CAT,)), ClassGroup("dog", (DOG,))))


def says(space: LabelSpace, **shares: float) -> Prediction:
    """A prediction with these `shares`; the rest goes to the last class."""
    probabilities = np.zeros(len(space.labels))
    for label, share in shares.items():
        probabilities[space.labels.index(label.replace("_", " "))] = share
    probabilities[-1] += 1 - sum(shares.values())
    return Prediction(space.name, space, probabilities, title=space.name.upper())


# ── reading and writing ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(EXAMPLE, id="ids"),
        pytest.param('{"cat": ["cat"], "dog": ["Dog"]}', id="words"),
        pytest.param('{"cat": "cat", "dog": ["dog", "n02084071"]}', id="a word without a list, and one twice"),
        pytest.param("cat;dog", id="short"),
        pytest.param(f" cat:{CAT} ; dog : dog ;", id="short with ids and spaces"),
    ],
)
def test_forms_of_the_same_groups(text: str) -> None:
    assert ClassGroups.parse(text) == CATS


@pytest.mark.parametrize(
    ("text", "link"),
    [
        pytest.param(EXAMPLE, "cat;dog", id="names that are the words"),
        pytest.param('{"Katze": ["cat"]}', f"Katze:{CAT}", id="another name"),
        pytest.param('{"crane": ["n02012849"]}', "crane:n02012849", id="a name with several meanings"),
        pytest.param("pet:domestic cat,dog", f"pet:n02121808,{DOG}", id="two"),
        pytest.param("car:n02958343,-minivan", f"car:n02958343,-{MINIVAN}", id="without"),
        pytest.param("cat:dog", f"cat:{DOG}", id="a name that means another class"),
    ],
)
def test_groups_are_written_short(text: str, link: str) -> None:
    groups = ClassGroups.parse(text)
    assert groups.to_link() == link
    assert ClassGroups.parse(link) == groups


def test_the_examples_of_the_module_are_groups() -> None:
    examples = [line.strip() for line in str(class_groups.__doc__).splitlines() if line.startswith("    ")]
    assert [len(ClassGroups.parse(example).groups) for example in examples] == [3, 3]


synsets = st.sampled_from(sorted(wordnet.table()["synsets"]))
names = (
    st.from_regex(NAME, fullmatch=True).map(lambda name: " ".join(name.split())).filter(lambda n: len(n) <= MAX_NAME)
)


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        names.filter(lambda name: name.casefold() != REST), st.lists(synsets, min_size=1, max_size=4), max_size=20
    )
)
def test_what_is_written_is_read_again(groups: dict[str, list[str]]) -> None:
    try:
        given_one = ClassGroups.parse(json.dumps(groups))
    except InputError:  # none, or two names that differ in case only
        assert not groups or len({name.casefold() for name in groups}) < len(groups)
        return
    assert ClassGroups.parse(given_one.to_json()) == ClassGroups.parse(given_one.to_link()) == given_one


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        pytest.param("", InputError, "1 to 40 groups of classes. Received: 0", id="nothing"),
        pytest.param("{}", InputError, "1 to 40 groups of classes. Received: 0", id="no group"),
        pytest.param("{", InputError, 'JSON such as {"cat"', id="not JSON"),
        pytest.param("{" * 3000, InputError, "JSON such as", id="deep JSON"),
        pytest.param('{"cat": 1}', InputError, "a list of synsets for each name", id="a number"),
        pytest.param('{"cat": {"dog": ["dog"]}}', InputError, "a list of synsets", id="groups in groups"),
        pytest.param('{"cat": []}', InputError, "1 to 100 synsets in 'cat'. Received: 0", id="an empty group"),
        pytest.param('{"a": ["cat"], "a": ["dog"]}', InputError, "each name once. Received: 'a' twice", id="twice"),
        pytest.param("Cat;cat:dog", InputError, "each name once. Received: 'Cat' twice", id="twice but for case"),
        pytest.param(f'{{"{"n" * 41}": ["cat"]}}', InputError, "a name of 1 to 40 letters", id="a long name"),
        pytest.param('{"a\\u0000": ["cat"]}', InputError, "a name of 1 to 40 letters", id="an unprintable name"),
        pytest.param('{"a;b": ["cat"]}', InputError, "Received: 'a;b'", id="a mark in a name"),
        pytest.param('{"![a](b)": ["cat"]}', InputError, "Received: '![a](b)'", id="Markdown in a name"),
        pytest.param("Something Else:cat", InputError, "another name than 'something else'", id="the rest"),
        pytest.param("crane", InputError, "Expected one meaning of 'crane'", id="several meanings"),
        pytest.param("cat;doog", UnknownNameError, "such as dog", id="an unknown word"),
        pytest.param("a:n00000000", UnknownNameError, "Received: 'n00000000'", id="an unknown id"),
        pytest.param("a:-cat", InputError, "Expected a synset in 'a' to take others out of", id="only taken out"),
        pytest.param("x" * (MAX_CHARACTERS + 1), InputError, "at most 4,000 characters. Received: 4,001", id="long"),
        pytest.param(
            ";".join(f"g{i}:cat" for i in range(MAX_GROUPS + 1)), InputError, "Received: 41", id="too many groups"
        ),
    ],
)
def test_groups_that_cannot_be_meant(text: str, kind: type[ImgrecError], sentence: str) -> None:
    with pytest.raises(kind) as error:
        ClassGroups.parse(text)
    assert sentence in str(error.value)


# ── rolling up ────────────────────────────────────────────────────────────────────────────────────────────────


def test_probabilities_add_up_by_group() -> None:
    found = CATS.roll_up(says(IMAGENET, tabby=0.3, cougar=0.1, lion=0.2, pug=0.15, Saluki=0.05))
    assert found.label_space.labels == ("cat", "dog", REST)
    assert found.label_space.synsets == (CAT, DOG, None)
    np.testing.assert_allclose(found.probabilities, [0.4, 0.2, 0.4], atol=1e-6)
    assert (found.model, found.title) == ("imagenet_1k", "IMAGENET_1K")


@given(hnp.arrays(np.float64, 1000, elements=st.floats(0, 1)))
def test_cats_and_dogs_are_those_of_the_label_space(values: np.ndarray) -> None:
    probabilities = (values + 1e-6) / (values + 1e-6).sum()
    expected = get_label_map("imagenet_1k", "cats_and_dogs").with_rest().apply(probabilities)
    found = CATS.roll_up(Prediction("a", IMAGENET, probabilities))
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)


def test_models_of_different_label_spaces_can_be_combined() -> None:
    members = [
        says(IMAGENET, tabby=0.6, pug=0.4),
        says(CIFAR_10, cat=0.5, dog=0.1),
        says(CATS_AND_DOGS, cat=0.7),
        says(LabelSpace("mine", ("cats", "dogs"), (None, None)), cats=0.2),
    ]
    found = combine([CATS.roll_up(member) for member in members])
    np.testing.assert_allclose(found.prediction.probabilities, [0.5, 0.4, 0.1], atol=1e-6)


def test_groups_that_overlap_are_allowed_and_not_combined() -> None:
    groups = ClassGroups.parse("animal;dog")
    found = groups.roll_up(says(IMAGENET, pug=0.4, tabby=0.3))
    np.testing.assert_allclose(found.probabilities, [0.7, 0.4, 0.3], atol=1e-6)
    assert not found.label_space.exclusive
    assert list(groups.overlaps(IMAGENET)) == [("animal", "dog", 118, "Chihuahua")]
    with pytest.raises(LabelSpaceError, match="averaged over them: animal, dog, something else"):
        combine([found, found])


def test_an_overlap_can_be_taken_out() -> None:
    assert list(ClassGroups.parse("car:n02958343;truck").overlaps(IMAGENET)) == [("car", "truck", 1, "minivan")]
    apart = ClassGroups.parse("car:n02958343;truck:truck,-minivan")
    assert list(apart.overlaps(IMAGENET)) == []
    found = apart.roll_up(says(IMAGENET, minivan=0.5, pickup=0.2))
    np.testing.assert_allclose(found.probabilities, [0.5, 0.2, 0.3], atol=1e-6)


def test_a_group_without_a_class_is_left_out_and_named() -> None:
    groups = ClassGroups.parse("cat;deer")
    assert groups.unknown(IMAGENET) == ("deer",)
    assert groups.unknown(CIFAR_10) == ()
    assert groups.roll_up(says(IMAGENET, tabby=0.6)).label_space.labels == ("cat", REST)
    assert groups.roll_up(says(CIFAR_10, deer=0.6)).label_space.labels == ("cat", "deer", REST)
    with pytest.raises(LabelSpaceError, match="members of one label space"):
        combine([groups.roll_up(says(IMAGENET)), groups.roll_up(says(CIFAR_10))])


def test_a_class_above_a_group_does_not_count() -> None:
    groups = ClassGroups.parse("tabby;dog")
    assert groups.unknown(CIFAR_10) == ("tabby",)


def test_a_model_that_knows_none_is_refused_by_name() -> None:
    beers = LabelSpace("beers", ("ale", "porter", "stout", "bock", "pils"), (None,) * 5)
    with pytest.raises(LabelSpaceError) as error:
        CATS.roll_up(says(beers))
    assert str(error.value) == (
        "Expected a model that knows a class of cat, dog. Received: BEERS, with ale, porter, stout, bock and 1 more."
    )
    assert CATS.label_space(beers) is None


def test_a_model_without_exclusive_classes_is_refused() -> None:
    several = LabelSpace("several", ("cat", "tabby"), (CAT, "n02123045"), exclusive=False)
    with pytest.raises(LabelSpaceError, match="whose classes exclude each other"):
        CATS.roll_up(Prediction("a", several, np.array([0.9, 0.8])))


def test_groups_of_one_synset_do_not_share_its_id() -> None:
    found = ClassGroups.parse("cat;Katze:cat").label_space(IMAGENET)
    assert found is not None
    assert found.synsets == (None, None, None)


def test_the_label_space_is_made_once() -> None:
    assert CATS.label_space(IMAGENET) is ClassGroups.parse("cat;dog").label_space(IMAGENET)
