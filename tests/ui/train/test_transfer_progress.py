"""Tables of transfer learning: every trial, and what the learning rates come to."""

from imgrec.training.events import TrialEnd
from imgrec.ui.train.transfer_progress import summary_rows, trial_rows
from tests.training.test_transfer_stages import TRIALS, progress


def test_the_tables_have_every_trial_and_every_learning_rate() -> None:
    told = progress(trials=TRIALS, planned=4)
    assert [row["Fold"] for row in trial_rows(told)] == ["1", "2", "1"]
    assert [row["Validation accuracy"] for row in trial_rows(told)] == [0.8, 0.9, 0.6]
    assert [(row["Learning rate"], row["Trials"]) for row in summary_rows(told.summaries)] == [
        ("0.01", 2),
        ("0.001", 1),
    ]


def test_a_trial_that_failed_has_no_figures() -> None:
    failed = TrialEnd(1.0, 1, 0, 0.0, 0.0, 0.0, 0.0, 0.1, "Expected a loss that is a number.")
    row = trial_rows(progress(trials=(*TRIALS, failed), planned=6))[-1]
    assert row["Learning rate"] == "1"
    assert {name for name, value in row.items() if value is None} == {
        "Best epoch",
        "Validation accuracy",
        "Validation loss",
        "Training accuracy",
        "Training loss",
    }
