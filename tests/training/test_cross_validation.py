"""The protocol: trials, the choice, the final head; with a trainer that only pretends."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imgrec.data.splits import split
from imgrec.errors import InputError
from imgrec.predictions import out_of_distribution
from imgrec.training import cross_validation, trial_results
from imgrec.training.array_archives import Layers
from imgrec.training.events import HeadChosen, TrialEnd
from imgrec.training.heads import DivergedError, Epoch, Schedule, Trained
from imgrec.training.transfer_config import TransferConfig

TARGETS = np.repeat([0, 1, 2], 10)


class Pretender:
    """Says the right class at the learning rate 0.01 and always the first one otherwise; best after its 3rd epoch."""

    def __init__(self, diverging: tuple[float, ...] = ()) -> None:
        self.diverging = diverging
        self.asked: list[tuple[float, int, int, int | None]] = []
        self.held_out: list[list[int]] = []
        self.trials: list[TrialEnd] = []

    def train(
        self,
        schedule: Schedule,
        rows: np.ndarray,
        held_out: np.ndarray | None,
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> Trained:
        self.asked.append(
            (schedule.learning_rate, schedule.epochs, len(rows), None if held_out is None else len(held_out))
        )
        if held_out is not None:
            self.held_out.append(held_out.tolist())
        if schedule.learning_rate in self.diverging:
            raise DivergedError("Expected a loss that is a number. Received: nan.")
        good = schedule.learning_rate == 0.01
        epochs = []
        for number in range(1, schedule.epochs + 1):
            accuracy = None if held_out is None else (1.0 if good and number >= 3 else 0.3)
            epochs.append(Epoch(number, 0.5, 1 / number, 0.9, None if held_out is None else 1 / number, accuracy))
            if on_epoch:
                on_epoch(epochs[-1])
        probabilities = None
        if held_out is not None:
            probabilities = 0.1 + 0.7 * np.eye(3)[TARGETS[held_out] if good else np.zeros_like(held_out)]
        layers: Layers = [(np.full((4, 3), len(rows), np.float32), np.zeros(3, np.float32))]
        return Trained(epochs[min(2, len(epochs) - 1)], tuple(epochs), layers, probabilities)


def try_and_train(
    config: TransferConfig,
    folder: Path,
    key: str = "key",
    diverging: tuple[float, ...] = (),
    groups: np.ndarray | None = None,
) -> tuple[cross_validation.FinalHead, Pretender, HeadChosen]:
    pretender = Pretender(diverging)
    told: list[TrialEnd | HeadChosen] = []
    final = cross_validation.cross_validate(
        config,
        pretender,  # type: ignore[arg-type]
        TARGETS,
        3,
        folder,
        key,
        told.append,
        lambda _: None,
        groups,
    )
    *trials, chosen = told
    assert len(trials) == config.trials
    assert isinstance(chosen, HeadChosen)
    pretender.trials = [event for event in trials if isinstance(event, TrialEnd)]
    return final, pretender, chosen


def test_folds_choose_and_then_all_images_train(tmp_path: Path) -> None:
    config = TransferConfig("mobilenet", learning_rates=(0.1, 0.01), folds=5, epochs=6)
    final, pretender, chosen = try_and_train(config, tmp_path / "trials")
    assert pretender.asked[-1] == (0.01, 3, 30, None)
    assert pretender.asked[:-1] == [(rate, 6, 24, 6) for rate in (0.1, 0.01) for _ in range(5)]
    assert (chosen.learning_rate, chosen.epochs) == (0.01, 3)
    assert (final.metrics["pictures"], final.metrics["accuracy"]) == (30, 1.0)
    assert final.metrics["confusion"] == np.diag([10, 10, 10]).tolist()
    assert [row.validation_accuracy for row in final.rows] == [pytest.approx(v) for v in (0.3, 0.3, 1.0)]
    assert final.layers[0][0][0, 0] == 30


def test_a_head_whose_backbone_will_be_unfrozen_has_not_seen_what_that_is_validated_on(tmp_path: Path) -> None:
    config = TransferConfig(
        "mobilenet", learning_rates=(0.1, 0.01), folds=5, epochs=6, fine_tune_layers=2, validation_fraction=0.2
    )
    _, pretender, _ = try_and_train(config, tmp_path / "trials")
    assert pretender.asked[-1] == (0.01, 3, 24, None)
    kept, _ = split(TARGETS, 0.2, config.seed)
    assert cross_validation.final_rows(config, TARGETS).tolist() == kept.tolist()


@pytest.mark.parametrize("folds", [0, 5])
def test_copies_are_not_learned_from_where_they_are_validated_on(tmp_path: Path, folds: int) -> None:
    config = TransferConfig("mobilenet", learning_rates=(0.01,), folds=folds, fine_tune_layers=2)
    groups = np.arange(30) // 2 * 2
    for _, kept, held_out in cross_validation.parts(config, TARGETS, groups):
        assert not set(groups[kept]) & set(groups[held_out])
    rows = cross_validation.final_rows(config, TARGETS, groups)
    assert not set(groups[rows]) & set(groups[np.setdiff1d(np.arange(30), rows)])
    assert len(rows) == 24
    _, pretender, _ = try_and_train(config, tmp_path / "trials", groups=groups)
    wanted = [held_out.tolist() for _, _, held_out in cross_validation.parts(config, TARGETS, groups)]
    assert pretender.held_out == wanted


def test_one_split_keeps_its_best_head(tmp_path: Path) -> None:
    config = TransferConfig("mobilenet", learning_rates=(0.1, 0.01), epochs=6)
    final, pretender, _ = try_and_train(config, tmp_path / "trials")
    assert pretender.asked == [(0.1, 6, 24, 6), (0.01, 6, 24, 6)]
    assert final.layers[0][0][0, 0] == 24
    assert len(final.rows) == 6
    assert final.metrics["pictures"] == 6


def test_curves_end_where_the_layers_begin_to_learn(tmp_path: Path) -> None:
    config = TransferConfig("mobilenet", learning_rates=(0.01,), epochs=6, fine_tune_layers=2)
    final, _, chosen = try_and_train(config, tmp_path / "trials")
    assert len(final.rows) == chosen.epochs == 3


@pytest.mark.parametrize("folds", [0, 3])
def test_finished_trials_are_not_done_again(tmp_path: Path, folds: int) -> None:
    config = TransferConfig("mobilenet", learning_rates=(0.1, 0.01), folds=folds, epochs=4)
    before, _, _ = try_and_train(config, tmp_path / "trials")
    files = sorted((tmp_path / "trials").glob("*.npz"))
    assert len(files) == config.trials
    files[0].write_bytes(files[0].read_bytes()[:100])  # of a worker that was killed, were it not renamed into place
    after, pretender, _ = try_and_train(config, tmp_path / "trials")
    assert len(pretender.asked) == 1 + bool(folds)
    assert after.metrics == before.metrics
    assert np.array_equal(after.layers[0][0], before.layers[0][0])
    _, other, _ = try_and_train(config, tmp_path / "trials", key="other images")
    assert len(other.asked) == config.trials + bool(folds)


def test_rates_that_are_nearly_the_same_are_trials_of_their_own(tmp_path: Path) -> None:
    _, pretender, _ = try_and_train(
        TransferConfig("mobilenet", learning_rates=(0.01, 0.010000001), epochs=4), tmp_path / "trials"
    )
    assert [rate for rate, *_ in pretender.asked] == [0.01, 0.010000001]


def test_no_matrix_of_very_many_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_results, "MAX_CONFUSION_CLASSES", 2)
    final, _, _ = try_and_train(TransferConfig("mobilenet", learning_rates=(0.01,), epochs=4), tmp_path / "trials")
    assert [final.metrics["confusion"], *(row.confusion for row in final.rows)] == [None] * 5
    assert final.metrics["accuracy"] == 1.0


@pytest.mark.parametrize("folds", [0, 3], ids=["one split", "folds"])
def test_the_limit_of_doubt_needs_no_test_set(tmp_path: Path, folds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out_of_distribution, "MIN_IMAGES", 6)  # as many as the one split holds out
    final, _, _ = try_and_train(
        TransferConfig("mobilenet", learning_rates=(0.01,), folds=folds, epochs=4), tmp_path / "trials"
    )
    doubt = -(0.8 * np.log2(0.8) + 2 * 0.1 * np.log2(0.1))
    assert final.metrics["entropy_bits_95"] == pytest.approx(doubt)
    again, pretender, _ = try_and_train(
        TransferConfig("mobilenet", learning_rates=(0.01,), folds=folds, epochs=4), tmp_path / "trials"
    )
    assert len(pretender.asked) == bool(folds)
    assert again.metrics == final.metrics


def test_too_few_held_out_images_set_no_limit(tmp_path: Path) -> None:
    final, _, _ = try_and_train(TransferConfig("mobilenet", learning_rates=(0.01,), epochs=4), tmp_path / "trials")
    assert final.metrics["pictures"] == 6
    assert final.metrics["entropy_bits_95"] is None


@pytest.mark.parametrize("folds", [0, 3])
def test_a_rate_that_diverges_is_left_out_and_not_tried_again(tmp_path: Path, folds: int) -> None:
    config = TransferConfig("mobilenet", learning_rates=(1.0, 0.01), folds=folds, epochs=4)
    final, first, chosen = try_and_train(config, tmp_path / "trials", diverging=(1.0,))
    assert (chosen.learning_rate, final.metrics["accuracy"]) == (0.01, 1.0)
    assert len(first.asked) == config.trials + bool(folds)
    again, second, _ = try_and_train(config, tmp_path / "trials", diverging=(1.0,))
    assert (again.metrics, len(second.asked)) == (final.metrics, int(bool(folds)))
    failed = {trial.learning_rate: trial.error for trial in second.trials}
    assert failed == {1.0: "Expected a loss that is a number. Received: nan.", 0.01: None}


def test_when_all_rates_diverge_there_is_a_sentence(tmp_path: Path) -> None:
    config = TransferConfig("mobilenet", learning_rates=(1.0, 0.1))
    with pytest.raises(InputError, match=r"stays a number. Received: 1, 0\.1; try smaller ones"):
        try_and_train(config, tmp_path / "trials", diverging=(1.0, 0.1))


def test_a_rate_at_which_one_fold_failed_is_not_chosen() -> None:
    def trial(rate: float, fold: int, accuracy: float, error: str | None = None) -> TrialEnd:
        return TrialEnd(rate, fold, 1, 0.5, 1.0, accuracy, 1.0, 0.1, error)

    found = [trial(1.0, 1, 1.0), trial(1.0, 2, 0.0, "diverged"), trial(0.1, 1, 0.4), trial(0.1, 2, 0.4)]
    assert [summary.learning_rate for summary in trial_results.summaries(found)] == [0.1]
    assert trial_results.choose(found).learning_rate == 0.1
