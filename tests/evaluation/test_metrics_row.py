"""Figures from pieces are those of the whole, as the metrics compute them."""

import numpy as np
import pytest

from imgrec.errors import InputError
from imgrec.evaluation.metrics_row import MAX_FITTED, area_under_roc, closed, per_image, scale, summarize
from imgrec.evaluation.stored_predictions import Answers, halved
from imgrec.metrics.calibration import fit_temperature, held_out, with_temperature
from imgrec.metrics.classification import log_loss
from imgrec.metrics.confusion import average, class_figures, confusion_matrix, kappa
from imgrec.metrics.curves import macro_auc
from tests.metrics.test_classification import METRICS, some


def stored(count: int = 1000, classes: int = 10) -> Answers:
    probabilities, target = some(count, classes, sharpness=4.0)
    return Answers(tuple(f"{i:05d}" for i in range(count)), target, halved(probabilities))


def pieces(answers: Answers, rows: int = 130) -> list[Answers]:
    return [
        Answers(answers.ids[i : i + rows], answers.targets[i : i + rows], answers.probabilities[i : i + rows])
        for i in range(0, len(answers), rows)
    ]


@pytest.mark.parametrize("classes", [2, 10, 150])
def test_figures_are_those_of_the_metrics(classes: int) -> None:
    answers = stored(400, classes)
    figures = summarize(per_image(pieces(answers)))
    assert figures["images"] == 400
    for name, metric in METRICS.items():
        assert figures[name] == pytest.approx(metric(answers.probabilities, answers.targets), abs=2e-6)
    matrix = confusion_matrix(answers.targets, answers.probabilities.argmax(1), classes)
    assert figures["kappa"] == pytest.approx(kappa(matrix), abs=1e-6)
    assert figures["micro_f1"] == pytest.approx(average(class_figures(matrix), "micro").f1, abs=1e-6)
    assert figures["weighted_recall"] == pytest.approx(average(class_figures(matrix), "weighted").recall, abs=1e-6)


def test_intervals_hold_their_figures() -> None:
    figures = summarize(per_image(pieces(stored())))
    for name in ("top_1", "top_5", "log_loss", "brier", "macro_f1", "kappa"):
        assert figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"]


def test_the_area_of_the_pieces_is_that_of_the_whole() -> None:
    answers = stored()
    assert area_under_roc(pieces(answers)) == pytest.approx(macro_auc(answers.probabilities, answers.targets), abs=1e-6)
    assert area_under_roc(pieces(stored(300, 100))) is not None
    assert area_under_roc(pieces(stored(20, 101))) is None


def test_temperature_is_fitted_on_one_part_and_judged_on_the_other() -> None:
    answers = stored()
    found = scale(lambda: pieces(answers))
    assert found is not None
    fit = held_out(answers.ids)
    assert (found["fitted"], found["tested"]) == (fit.sum(), (~fit).sum())
    temperature = fit_temperature(answers.probabilities[fit], answers.targets[fit])
    assert found["temperature"] == pytest.approx(temperature, abs=1e-3)
    after = with_temperature(answers.probabilities[~fit], temperature)
    assert found["log_loss_after"] == pytest.approx(log_loss(after, answers.targets[~fit]), abs=1e-4)
    assert found["log_loss_after"] < found["log_loss_before"]
    before, target = answers.probabilities[~fit], answers.targets[~fit]
    for name, rows in (("before", before), ("after", after)):
        assert found[f"log_loss_{name}"] == pytest.approx(log_loss(rows, target), abs=1e-4)
        assert found[f"ece_{name}"] == pytest.approx(METRICS["ece"](rows, target), abs=1e-4)


def test_few_images_are_enough_for_a_temperature_and_all_classes_are_among_them() -> None:
    answers = stored(6000)
    order = np.argsort(answers.targets, kind="stable")
    by_class = Answers(answers.ids, answers.targets[order], answers.probabilities[order])
    found = scale(lambda: pieces(by_class, 1000))
    assert found is not None
    assert found["fitted"] == MAX_FITTED
    assert found["log_loss_after"] < found["log_loss_before"]


def test_a_single_image_has_figures_and_no_temperature() -> None:
    one = Answers(("a",), np.array([0]), np.array([[1.0, 0.0]], np.float16))
    assert summarize(per_image([one]))["top_1"] == 1.0
    assert scale(lambda: [one]) is None


def test_no_images() -> None:
    with pytest.raises(InputError, match="Received: none"):
        per_image([])


def test_what_is_left_out_is_shared_among_the_rest() -> None:
    rows = np.array([[0.2, 0.1, 0.7], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0]], np.float16)
    found = closed(Answers(("a", "b", "c"), np.array([0, 1, 0]), rows), 2)
    assert found.probabilities == pytest.approx(np.array([[2 / 3, 1 / 3], [0.5, 0.5], [0.5, 0.5]]), abs=1e-3)
    assert found.probabilities.sum(1) == pytest.approx(1)
