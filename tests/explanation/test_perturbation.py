import numpy as np
import pytest

from imgrec.explanation import perturbation, target
from imgrec.explanation.perturbation import occlusion, rise
from imgrec.explanation.subject import Subject
from imgrec.explanation.target import Target
from imgrec.inference.pool import EnginePool
from imgrec.predictions.labels import get_label_space
from tests.explanation.conftest import BLIND

IMAGENET = get_label_space("imagenet_1k")
LEFT, RIGHT = target.of_class(IMAGENET, 0), target.of_class(IMAGENET, 1)


@pytest.mark.parametrize("method", [occlusion, rise])
@pytest.mark.parametrize(("wanted", "place"), [(LEFT, (0.375, 0.125)), (RIGHT, (0.625, 0.875))])
def test_the_largest_value_is_where_the_light_is(
    method: perturbation.Compute, wanted: Target, place: tuple[float, float], subject: Subject
) -> None:
    values = method(subject, wanted, lambda done, total: None)
    peak = (np.array(np.unravel_index(values.argmax(), values.shape)) + 0.5) / values.shape
    assert np.abs(peak - place).max() < 0.2


@pytest.mark.parametrize("method", [occlusion, rise])
def test_it_needs_no_feature_map_and_is_the_same_each_time(
    method: perturbation.Compute, pool: EnginePool, image: np.ndarray
) -> None:
    first, second = (method(Subject(BLIND, pool, image), LEFT, lambda done, total: None) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.dtype == np.float32


@pytest.mark.parametrize("method", [occlusion, rise])
def test_progress_goes_up_to_all_and_can_end_the_computation(method: perturbation.Compute, subject: Subject) -> None:
    seen: list[tuple[int, int]] = []
    method(subject, LEFT, lambda done, total: seen.append((done, total)))
    total = seen[-1][1]
    assert seen == [(done, total) for done in range(1, total + 1)]

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        method(subject, LEFT, stop)


def test_a_plain_image_has_a_flat_map(subject: Subject) -> None:
    plain = Subject(subject.spec, subject.pool, np.full_like(subject.image, 90))
    assert np.abs(occlusion(plain, LEFT, lambda done, total: None)).max() < 1e-5
