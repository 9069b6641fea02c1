import numpy as np
import pytest
from sklearn.metrics import auc

from imgrec.errors import UnknownNameError
from imgrec.explanation import faithfulness, target
from imgrec.explanation.class_activation import class_activation
from imgrec.explanation.faithfulness import BASELINES, STEPS
from imgrec.explanation.subject import Subject
from imgrec.predictions.labels import get_label_space

RIGHT = target.of_class(get_label_space("imagenet_1k"), 1)


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_right_map_is_better_than_its_opposite(baseline: str, subject: Subject) -> None:
    values = class_activation(subject, RIGHT)
    right, wrong = (faithfulness.measure(subject, RIGHT, one, baseline) for one in (values, -values))
    assert right.insertion_area > wrong.insertion_area
    assert right.deletion_area < wrong.deletion_area


def test_curves_run_from_nothing_to_the_whole_image_and_back(subject: Subject) -> None:
    seen: list[tuple[int, int]] = []
    found = faithfulness.measure(
        subject, RIGHT, class_activation(subject, RIGHT), on_progress=lambda *done: seen.append(done)
    )
    whole = subject.seen.probabilities[1]
    black = subject.observe(np.zeros_like(subject.image)).probabilities[1]
    assert found.insertion[[0, -1]] == pytest.approx([black, whole])
    assert found.deletion[[0, -1]] == pytest.approx([whole, black])
    assert found.insertion_area == pytest.approx(auc(np.linspace(0, 1, STEPS + 1), found.insertion))
    assert seen[-1] == (2 * (STEPS + 1), 2 * (STEPS + 1))


def test_another_baseline_is_refused(subject: Subject) -> None:
    with pytest.raises(UnknownNameError, match="baseline"):
        faithfulness.measure(subject, RIGHT, np.zeros((4, 4)), "white")
