import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from imgrec.errors import InputError, UnknownNameError
from imgrec.explanation import target
from imgrec.predictions.labels import LabelSpace, get_label_space

IMAGENET = get_label_space("imagenet_1k")
OWN = LabelSpace("own", ("red fox", "badger"), (None, None))


@pytest.mark.parametrize(
    ("word", "label", "count"),
    [
        ("tabby", "tabby", 1),
        (" Tabby ", "tabby", 1),
        ("n02123045", "tabby", 1),
        ("crane (n02012849)", "crane (n02012849)", 1),
        ("dog", "dog", 118),
        ("n02084071", "dog", 118),
    ],
)
def test_a_word_means_a_class_or_all_classes_below_it(word: str, label: str, count: int) -> None:
    found = target.find(word, IMAGENET)
    assert (found.label, len(found.indices)) == (label, count)


def test_a_label_of_classes_without_wordnet_is_found() -> None:
    assert target.find("Badger", OWN).indices == (1,)
    with pytest.raises(UnknownNameError, match="class"):
        target.find("dog", OWN)


def test_what_no_class_is_has_a_sentence() -> None:
    with pytest.raises(UnknownNameError, match="zzz"):
        target.find("zzz", IMAGENET)
    with pytest.raises(UnknownNameError, match="none of theirs"):
        target.find("lion", get_label_space("cifar_10"))
    with pytest.raises(InputError, match="meaning"):
        target.find("crane", IMAGENET)


def test_the_direction_is_the_gradient_of_the_score() -> None:
    """The score of several classes is log Σ exp(logit) less the mean logit; its slope along any change is known."""
    random = np.random.default_rng(0)
    logits, change = random.normal(0, 2, (2, 1000))
    found = target.find("dog", IMAGENET)

    def score(values: np.ndarray) -> float:
        places = list(found.indices)
        return float(np.log(np.exp(values[places]).sum()) - values.mean())

    direction = found.direction(softmax(logits))
    slope = (score(logits + 1e-5 * change) - score(logits - 1e-5 * change)) / 2e-5
    assert direction @ change == pytest.approx(slope, rel=1e-3)
    assert direction.sum() == pytest.approx(0, abs=1e-5)
    assert found.probability(softmax(logits)) == pytest.approx(np.exp(log_softmax(logits))[list(found.indices)].sum())


def test_classes_without_any_probability_count_equally() -> None:
    found = target.Target(OWN, (0, 1), "animal")
    np.testing.assert_allclose(found.direction(np.zeros(2, np.float32)), [0, 0], atol=1e-7)
