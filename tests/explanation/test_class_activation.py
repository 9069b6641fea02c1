import numpy as np
import pytest

from imgrec.errors import EngineError
from imgrec.explanation import target
from imgrec.explanation.class_activation import class_activation
from imgrec.explanation.subject import Subject, logits_of
from imgrec.inference.pool import EnginePool
from imgrec.predictions.labels import get_label_space
from imgrec.settings import MIB
from tests.explanation.conftest import BLIND, CLASSES, GRID, SPEC, LightEngine, LightHead

IMAGENET = get_label_space("imagenet_1k")
LEFT, RIGHT = target.of_class(IMAGENET, 0), target.of_class(IMAGENET, 1)


def test_the_map_is_large_where_the_class_is(subject: Subject) -> None:
    left, right = class_activation(subject, LEFT), class_activation(subject, RIGHT)
    assert np.unravel_index(left.argmax(), left.shape) == (1, 0)
    assert np.unravel_index(right.argmax(), right.shape) == (2, 3)


def test_its_mean_is_the_score(subject: Subject) -> None:
    seen = subject.seen
    score = logits_of(seen)[0] - logits_of(seen).mean()
    assert class_activation(subject, LEFT).mean() == pytest.approx(score, rel=1e-4)


@pytest.mark.parametrize(
    ("together", "quotient"), [(1.0, 1.0), (4.0, 0.25), (-2.0, 1 / GRID**2), (0.5, 1.0), (0.0, 1.0)]
)
def test_positions_of_another_head_are_scaled_to_what_they_add_together(
    together: float, quotient: float, subject: Subject
) -> None:
    pool = EnginePool(
        10 * MIB, lambda spec: LightEngine(), lambda spec: MIB, load_head=lambda spec: LightHead(together)
    )
    alone = class_activation(subject, LEFT) * together
    found = class_activation(Subject(SPEC, pool, subject.image), LEFT)
    np.testing.assert_allclose(found, alone * quotient, rtol=1e-3, atol=1e-5)


def test_a_network_without_features_says_what_explains_it(pool: EnginePool, image: np.ndarray) -> None:
    with pytest.raises(EngineError, match="BLIND does not end in a feature map"):
        class_activation(Subject(BLIND, pool, image), LEFT)


def test_without_logits_the_logarithms_of_probabilities_serve(pool: EnginePool, image: np.ndarray) -> None:
    plain, blind = (logits_of(Subject(spec, pool, image).observe(image)) for spec in (SPEC, BLIND))
    np.testing.assert_allclose(blind - blind.mean(), plain - plain.mean(), atol=1e-4)
    assert len(plain) == CLASSES
