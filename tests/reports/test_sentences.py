"""Words for people: titles, agreement, and the sentence above the charts."""

from dataclasses import replace

import numpy as np
import pytest

from imgrec.errors import InputError
from imgrec.formatting import THIN_SPACE
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.ensembles import combine, leave_one_out
from imgrec.predictions.hierarchy import hierarchy_of
from imgrec.predictions.labels import CIFAR_10, EntropyLimit, LabelSpace, get_label_space
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.reports import sentences
from imgrec.reports.sentences import (
    agreement,
    describe_knowledge,
    describe_limit,
    describe_without,
    headline,
    label_of,
    space_title,
    title_of,
)

PETS = LabelSpace("pets", ("tabby", "lynx", "fox", "beagle"), (None, None, None, None))
FIVE = LabelSpace("five", ("tabby", "lynx", "fox", "beagle", "otter"), (None,) * 5)
CRANES = LabelSpace("cranes", ("crane", "crane", "heron"), ("n02012849", "n03126707", None))


def says(model: str, index: int, probability: float = 0.841, space: LabelSpace = PETS) -> Prediction:
    """A prediction of `probability` for one class; the rest goes to the class before it."""
    probabilities = np.zeros(len(space.labels))
    probabilities[index - 1] = 1 - probability
    probabilities[index] = probability
    return Prediction(model, space, probabilities)


def plain(text: str) -> str:
    return text.replace(THIN_SPACE, " ")


@pytest.mark.parametrize(
    ("model", "title"),
    [("vgg16", "VGG16"), ("ensemble", "Ensemble"), ("my_cats", "my_cats")],
    ids=["catalogue", "ensemble", "unknown"],
)
def test_title_of(model: str, title: str) -> None:
    assert title_of(model) == title


def test_labels_that_repeat_are_told_apart() -> None:
    assert [label_of(CRANES, i) for i in range(3)] == ["crane (n02012849)", "crane (n03126707)", "heron"]


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        pytest.param([0], "VGG16: tabby 84.1 %", id="one model"),
        pytest.param([0, 0], "Ensemble: tabby 84.1 % · both agree", id="two agree"),
        pytest.param([0, 0, 0], "Ensemble: tabby 84.1 % · all 3 agree", id="all agree"),
        pytest.param([0, 1, 0], "tabby 61.4 % · 2 of 3 agree · VGG19 says lynx", id="one dissents"),
        pytest.param([0, 1, 0, 2, 0], "3 of 5 agree · VGG19 says lynx, ResNet101 says fox", id="two dissent"),
        pytest.param([0, 1, 0, 1, 0], "3 of 5 agree · VGG19 and ResNet101 say lynx", id="two say the same"),
        pytest.param([0, 1, 0, 1, 0, 2, 0], "VGG19 and ResNet101 say lynx, and 1 more", id="three dissent"),
        pytest.param([0, 1, 0, 2, 0, 3, 0, 1], "VGG19 says lynx, ResNet101 says fox, and 2 more", id="four dissent"),
    ],
)
def test_headline(choices: list[int], sentence: str) -> None:
    names = ["vgg16", "vgg19", "resnet50", "resnet101", "a", "b", "c", "d"]
    predictions = [says(name, choice) for name, choice in zip(names, choices, strict=False)]
    assert sentence in plain(headline(predictions, combine(predictions)))


def test_headline_when_no_model_agrees_with_the_ensemble() -> None:
    rows = [[0.6, 0.4, 0, 0], [0, 0.4, 0.6, 0]]
    predictions = [Prediction(name, PETS, np.array(row)) for name, row in zip(["vgg16", "vgg19"], rows, strict=True)]
    assert plain(headline(predictions, combine(predictions))) == (
        "Ensemble: lynx 40.0 % · both differ · VGG16 says tabby, VGG19 says fox · high uncertainty"
    )


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        pytest.param([0, 1], "both differ", id="two"),
        pytest.param([0, 1, 2, 3], "all 4 differ", id="four"),
        pytest.param([0, 1, 1], "1 of 3 says so · VGG19 and ResNet50 say lynx", id="one outweighs two"),
    ],
)
def test_models_that_differ(choices: list[int], words: str) -> None:
    names = ["vgg16", "vgg19", "resnet50", "resnet101"]
    predictions = [
        Prediction(name, FIVE, np.eye(5)[choice] * 0.9 + 0.02 if choice == 0 else np.eye(5)[choice] * 0.3 + 0.14)
        for name, choice in zip(names, choices, strict=False)
    ]
    assert words in plain(headline(predictions, combine(predictions)))


IMAGENET = get_label_space("imagenet_1k")


def sees(model: str, **shares: float) -> Prediction:
    """A prediction of ImageNet's classes with these `shares`; the rest goes to the comic book."""
    probabilities = np.zeros(1000)
    for label, share in shares.items():
        probabilities[IMAGENET.labels.index(label.replace("_", " "))] = share
    probabilities[IMAGENET.labels.index("comic book")] = 1 - sum(shares.values())
    return Prediction(model, IMAGENET, probabilities)


@pytest.mark.parametrize(
    ("firsts", "sentence"),
    [
        pytest.param(
            [{"Saluki": 0.6, "beagle": 0.3}, {"beagle": 0.7, "Saluki": 0.2}],
            "Both see a hound (90.0 %); they differ on the breed: beagle 50.0 %, Saluki 40.0 %",
            id="two",
        ),
        pytest.param(
            [{"Saluki": 0.9}, {"pug": 0.9}, {"chow": 0.8}, {"pug": 0.4, "boxer": 0.6}],
            "All 4 see a dog (90.0 %); they differ on the breed: pug 32.5 %, Saluki 22.5 %, chow 20.0 %, …",
            id="more than are named",
        ),
        pytest.param(
            [{"pizza": 0.9}, {"banana": 0.8}],
            "Both see food (85.0 %); they differ on the kind: pizza 45.0 %, banana 40.0 %",
            id="without an article",
        ),
        pytest.param(
            [{"goldfish": 0.9}, {"tabby": 0.8}],
            "Both see an animal (85.0 %); they differ on the kind: goldfish 45.0 %, tabby 40.0 %",
            id="an",
        ),
        pytest.param(
            [{"Saluki": 0.9}, {"Saluki": 0.6}, {"pug": 0.9}],
            "All 3 see a dog (80.0 %); they differ on the breed: Saluki 50.0 %, pug 30.0 %",
            id="most agree",
        ),
        pytest.param([{"Saluki": 0.9}, {"Saluki": 0.6}], "Ensemble: Saluki 75.0 % · both agree", id="all agree"),
        pytest.param(
            [{"Saluki": 0.9}, {"minivan": 0.8}],
            "Ensemble: Saluki 45.0 % · both differ · VGG19 says minivan",
            id="nothing that is said in common",
        ),
        pytest.param(
            [{"Saluki": 0.4, "minivan": 0.35}, {"pug": 0.4, "minivan": 0.35}],
            "Ensemble: minivan 35.0 % · both differ · VGG16 says Saluki, VGG19 says pug",
            id="second choices win",
        ),
    ],
)
def test_what_models_that_differ_have_in_common_comes_first(firsts: list[dict[str, float]], sentence: str) -> None:
    names = ["vgg16", "vgg19", "resnet50", "resnet101"]
    predictions = [sees(name, **shares) for name, shares in zip(names, firsts, strict=False)]
    assert plain(headline(predictions, combine(predictions))).removesuffix(" · high uncertainty") == sentence


def test_articles_are_those_of_nodes() -> None:
    nodes = {node.label for node in hierarchy_of(IMAGENET).nodes}
    assert nodes >= sentences.NO_ARTICLE
    assert {node.synset for node in hierarchy_of(IMAGENET).nodes} >= sentences.HAVE_BREEDS


@pytest.mark.parametrize("rule", ["majority_vote", "rank_vote"])
@pytest.mark.parametrize(
    ("choices", "words"),
    [
        pytest.param([0, 1], "Ensemble: tie of 2: tabby, lynx (", id="two"),
        pytest.param([0, 1, 2, 3, 4], "Ensemble: tie of 5: tabby, lynx, fox, beagle and 1 more (", id="five"),
    ],
)
def test_ties_of_votes(rule: str, choices: list[int], words: str) -> None:
    predictions = [
        Prediction(name, FIVE, np.where(np.arange(5) == choice, 0.6, 0.1))
        for name, choice in zip("abcde", choices, strict=False)
    ]
    said = plain(headline(predictions, combine(predictions, rule)))
    assert words in said
    assert "agree" not in said


def test_a_tie_among_the_others() -> None:
    predictions = [says("vgg16", 0), says("vgg19", 1), says("resnet50", 0)]
    without = leave_one_out(combine(predictions, "majority_vote"))
    assert plain(describe_without(without[0])) == "Without VGG16: tie of 2: tabby, lynx (50.0 % each)."
    assert plain(describe_without(without[1])) == "Without VGG19 it would still say tabby 100.0 %."


def test_a_tie_in_doubt() -> None:
    members = [doubts("cifar_vgg", 0.3, 0.1), doubts("cifar_dense", 0.1, 0.3)]
    assert "(tie of 2: airplane, automobile (50.0 % each); entropy" in plain(
        headline(members, combine(members, "majority_vote"))
    )


def test_an_average_has_no_ties() -> None:
    predictions = [says("vgg16", 0), says("vgg19", 2)]
    assert "tie" not in headline(predictions, combine(predictions))


def test_headline_counts_only_the_ensembles_label_space() -> None:
    cats, crane = [says("vgg16", 0), says("vgg19", 0)], says("mine", 0, space=CRANES)
    assert "both agree" in headline([*cats, crane], combine(cats))


def test_headline_without_an_ensemble_says_what_each_says() -> None:
    predictions = [says("vgg16", 0), says("mine", 0, space=CRANES)]
    assert plain(headline(predictions, None)) == "VGG16: tabby 84.1 % · mine: crane (n02012849) 84.1 %"


def test_agreement_counts_models_of_their_label_space() -> None:
    predictions = [says("a", 1), says("b", 0), says("c", 0), says("d", 0, space=CRANES)]
    assert [(group.sentence, tuple(map(title_of, group.members))) for group in agreement(predictions)] == [
        ("2 of 3 say tabby", ("b", "c")),
        ("1 of 3 says lynx", ("a",)),
        ("1 of 1 says crane (n02012849)", ("d",)),
    ]


def test_a_model_of_ones_own_has_its_title_everywhere() -> None:
    own, vgg = replace(says("my_cats", 1), title="My cats"), says("vgg16", 0)
    assert title_of(own) == title_of(Failure("my_cats", InputError("no"), "My cats")) == "My cats"
    assert plain(headline([own], None)) == "My cats: lynx 84.1 %"
    assert "My cats says lynx" in headline([vgg, vgg, own], combine([vgg, vgg, own]))
    (_, without) = leave_one_out(combine([vgg, own]))
    assert describe_without(without).startswith("Without My cats it would ")


def test_the_first_choice_without_one_member() -> None:
    ensemble = combine([says("vgg16", 1, 0.99), says("vgg19", 2, 0.7)])
    assert [plain(describe_without(without)) for without in leave_one_out(ensemble)] == [
        "Without VGG16 it would say fox 70.0 %.",
        "Without VGG19 it would still say lynx 99.0 %.",
    ]


def doubts(model: str, *probabilities: float, space: LabelSpace = CIFAR_10) -> Prediction:
    """A prediction of the first classes; what is left goes to all the others."""
    others = len(space.labels) - len(probabilities)
    return Prediction(model, space, np.array([*probabilities, *[(1 - sum(probabilities)) / others] * others]))


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        pytest.param(
            [doubts("cifar_vgg", 0.2, 0.1), doubts("cifar_dense", 0.2, 0.1)],
            "Most likely none of these: both models are unsure (airplane 20.0 %; entropy 3.26 bits, the limit is 2.30)",
            id="two that agree and doubt",
        ),
        pytest.param(
            [doubts("cifar_vgg", 0.3, 0.1), doubts("cifar_dense", 0.1, 0.2), doubts("capstone_cnn", 0.3, 0.1)],
            "Most likely none of these: the models disagree (2 of 3 say airplane, together 23.3 %; "
            "entropy 3.19 bits, the limit is 2.30)",
            id="one of three says another",
        ),
        pytest.param(
            [doubts("my_model", 0.2, 0.1)],
            "Most likely none of these: my_model is unsure (airplane 20.0 %; entropy 3.26 bits, the limit is 2.30)",
            id="one alone",
        ),
        pytest.param(
            [doubts("cifar_vgg", 0.97, 0.01), doubts("cifar_dense", 0.97, 0.01)],
            "Ensemble: airplane 97.0 % · both agree",
            id="no doubt",
        ),
        pytest.param(
            [doubts("mobilenet", 0.01, space=get_label_space("imagenet_1k"))],
            "MobileNet: tench 1.0 % · high uncertainty",
            id="classes without a limit",
        ),
    ],
)
def test_most_likely_none_of_these(members: list[Prediction], sentence: str) -> None:
    assert plain(headline(members, combine(members))) == sentence


def test_without_an_ensemble_each_model_has_its_hint() -> None:
    found = [doubts("cifar_vgg", 0.2, 0.1), says("mine", 0)]
    assert plain(headline(found, None)).endswith("airplane 20.0 % (most likely none of these) · mine: tabby 84.1 %")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        pytest.param([], "", id="nobody"),
        pytest.param(["mobilenet", "vgg16"], "", id="a thousand classes"),
        pytest.param(
            ["capstone_cnn"],
            "Classes: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck only. Input: 32 × 32 px.",
            id="one of ten classes",
        ),
    ],
)
def test_what_models_can_know(names: list[str], sentence: str) -> None:
    assert describe_knowledge(BUILT_IN.get_specs(names)) == sentence


def test_an_input_that_is_no_square_is_said_as_it_is() -> None:
    spec = replace(BUILT_IN["capstone_cnn"], input_size=(24, 32))
    assert describe_knowledge([spec]).endswith(" Input: 32 × 24 px.")


def test_what_models_of_two_label_spaces_can_know() -> None:
    sentence = describe_knowledge(BUILT_IN.get_specs(["mobilenet", "vgg16", "capstone_cnn"]))
    assert sentence.startswith("VGG16, MobileNet: the 1,000 classes of ImageNet. Capstone CNN (CIFAR-10): airplane, ")
    assert sentence.endswith("truck only.")


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (
            EntropyLimit(2.3, {"unrelated photos": 0.59, "photos of its own classes": 0.22}, auroc=0.92),
            "flags 59 % of unrelated photos, 22 % of photos of its own classes and 5 % of CIFAR-10's test images.",
        ),
        (EntropyLimit(1.2), "flags 5 % of the images that the model was measured on."),
    ],
    ids=["measured on foreign images", "of a model of one's own"],
)
def test_what_the_limit_does(limit: EntropyLimit, words: str) -> None:
    assert words in plain(describe_limit(replace(CIFAR_10, entropy_limit=limit)))
    assert describe_limit(get_label_space("imagenet_1k")) == ""


@pytest.mark.parametrize(
    ("labels", "title"),
    [("abcde", "a, b, c, d, e"), ("abcdef", "a, b, c, d and 2 more")],
)
def test_label_spaces_have_titles(labels: str, title: str) -> None:
    assert space_title(LabelSpace("own", tuple(labels), (None,) * len(labels))) == title
    assert space_title(get_label_space("imagenet_1k")) == "ImageNet"


def test_without_an_ensemble_models_that_agree_are_one_sentence() -> None:
    space = LabelSpace("overlapping", ("animal", "cat"), (None, None), exclusive=False)
    found = [Prediction(name, space, np.array([share, 0.5])) for name, share in (("a", 0.98), ("b", 0.96), ("c", 0.97))]
    assert headline(found, None).replace("\u202f", " ") == "All 3 say animal (96.0 % to 98.0 %)"
