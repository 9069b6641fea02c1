"""Charts of transfer learning: what was tried, and what the classifier predicts."""

import numpy as np
import pytest

from imgrec.charts import transfer
from imgrec.charts.transfer import describe_preview, describe_rates, preview_lines, rates_chart
from imgrec.training.events import TrialEnd
from imgrec.training.run_summary import describe_rate, status
from imgrec.training.transfer_stages import describe_failures
from tests.charts.reading import bars, marks, words
from tests.training.test_transfer_stages import TRIALS, WHOLE, progress, trial


def test_rates_are_compared_by_mean_and_spread() -> None:
    told = progress(trials=TRIALS, planned=4)
    assert describe_rates(told.summaries, folds=True) == (
        "Best of 2 learning rates: 0.01, validation accuracy 85.0 ± 7.1\u202f% over 2 folds."
    )
    spread, each, means = (one.rows for one in marks(rates_chart(told)))
    assert [row["value"] for row in each] == [0.8, 0.9, 0.6]
    assert [row["value"] for row in means] == pytest.approx([0.85, 0.6])
    assert spread[0]["high"] - spread[0]["low"] == pytest.approx(2 * np.std([0.8, 0.9], ddof=1))
    assert words(rates_chart(told), "x") == ["0.001", "0.01"]


def test_a_rate_that_diverged_has_no_figures() -> None:
    failed = TrialEnd(1.0, 1, 0, 0.0, 0.0, 0.0, 0.0, 0.1, "Expected a loss that is a number.")
    told = progress(features=(WHOLE,), trials=(*TRIALS, failed), planned=6)
    assert status(told, "running").endswith("learning rate 1, fold 1: failed")
    assert describe_failures(told.trials) == "The loss became NaN at learning rate 1."
    assert describe_failures(TRIALS) == ""
    assert [row.learning_rate for row in told.summaries] == [0.01, 0.001]
    assert "1" not in {row["Learning rate"] for one in marks(rates_chart(told)) for row in one.rows}


@pytest.mark.parametrize(
    ("trials", "folds", "sentence"),
    [
        ((), False, "No trial is finished yet."),
        ((trial(0.01, 0, 0.8),), False, "Learning rate 0.01: validation accuracy 80.0\u202f%."),
        ((trial(0.01, 1, 0.8),), True, "Learning rate 0.01: validation accuracy 80.0\u202f% over 1 fold."),
    ],
    ids=["none", "one split", "the first of several folds"],
)
def test_rates_in_words(trials: tuple[TrialEnd, ...], folds: bool, sentence: str) -> None:
    assert describe_rates(progress(trials=trials).summaries, folds=folds) == sentence


def test_few_images_of_one_split_are_counted() -> None:
    found = progress(trials=(trial(0.01, 0, 0.75), trial(0.1, 0, 0.5))).summaries
    sentence = "Best of 2 learning rates: 0.01, validation accuracy 12 of 16 images."
    assert describe_rates(found, folds=False, images=16) == sentence
    assert "75.0\u202f%" in describe_rates(found, folds=False, images=400)
    assert "accuracy 12 of 16, best" in describe_rate(found[1], 16)


def test_the_bars_of_a_preview_keep_their_places() -> None:
    lines = preview_lines(np.array([0.25, 0.75]), ["cat", "dog"])
    assert lines == [("cat", 0.25), ("dog", 0.75)]
    assert describe_preview(lines).startswith("dog")
    many = preview_lines(np.linspace(0, 1, 50), [f"class {i}" for i in range(50)])
    assert [label for label, _ in many] == [f"class {i}" for i in range(40, 50)]
    spec = transfer.preview_chart(lines)
    assert words(spec, "y") == ["cat", "dog"]
    assert [bar["end"] for bar in bars(spec).rows] == [0.25, 0.75]
