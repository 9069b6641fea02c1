"""The stages of a transfer learning run: which one it is at, the share that is done, and what each does in words."""

from collections.abc import Sequence

from imgrec.formatting import duration, percent
from imgrec.reports import accuracy
from imgrec.training.events import FeaturesExtracted, FineTuned, HeadChosen, TrialEnd
from imgrec.training.training_job import Curves
from imgrec.training.transfer_config import TransferConfig
from imgrec.training.transfer_job import Progress

# Seconds on two cores, of a network of MobileNet's size: the features of an image, an epoch of a head, plus for each
# image, and an image in an epoch of fine-tuning. Only the progress bar needs them.
_FEATURE_S = 0.008
_HEAD_EPOCH_S, _HEAD_IMAGE_S = 0.001, 0.00002
_TUNED_IMAGE_S = 0.02

NO_TEST_SET = "The dataset has no test set."

STAGES = ("Images", "Features", "Trials", "Final training", "Test")
READING, FEATURES, TRIALS, FINAL, TESTING = range(len(STAGES))


def stage(progress: Progress) -> int:
    """Return the index in `STAGES` of what is going on; their count when all is done."""
    curves = progress.curves
    if curves.finished is not None:
        return len(STAGES)
    if curves.plan is not None and len(curves.epochs) >= curves.plan.epochs:
        return TESTING
    if progress.chosen is not None or curves.epochs:
        return FINAL
    extracted = progress.features and all(part.done == part.count for part in progress.features)
    if progress.trials_planned or progress.trials or extracted:
        return TRIALS
    return FEATURES if progress.features or progress.preparing or curves.data is not None else READING


def stages(progress: Progress, config: TransferConfig) -> tuple[str, ...]:
    """Return the titles of a run's stages: one split has its best head already; without a test set there is no test."""
    final = "Fine-tuning" if config.fine_tune_layers else STAGES[FINAL] if config.folds else "Selection"
    return (*STAGES[:FINAL], final, *(STAGES[TESTING:] if has_test(progress) else ()))


def has_test(progress: Progress) -> bool:
    """Return whether the images have a test set, as far as is known by now."""
    counts = progress.curves.data.counts if progress.curves.data else {}
    return any(part.part == "test" for part in progress.features) or any(test for _, test in counts.values())


def share_done(progress: Progress, config: TransferConfig) -> float:
    """Return about how much of a run is done, in [0, 1]; features that are on the disk do not count."""
    at = stage(progress)
    if at == len(STAGES):
        return 1.0
    counts = progress.curves.data.counts if progress.curves.data else {}
    known = sum(part.count for part in progress.features)
    unknown = max(0, sum(train * (config.copies + 1) + test for train, test in counts.values()) - known)
    if any(part.cached for part in progress.features):
        unknown = 0  # where one part is on the disk, the other most likely is, too
    computed = [part for part in progress.features if not part.cached]
    extracted, wanted = sum(part.done for part in computed), sum(part.count for part in computed) + unknown
    images = (progress.curves.data and progress.curves.data.trained_on) or known
    head_s = config.epochs * (_HEAD_EPOCH_S + _HEAD_IMAGE_S * images * (config.copies + 1))
    tuning = config.fine_tune_epochs if config.fine_tune_layers else 0
    plan = progress.curves.plan
    tuned = epochs_done(progress.curves) - (plan.epochs - tuning) if plan else 0.0
    # (seconds of all, how much of it is done)
    work = [
        (_FEATURE_S * wanted, extracted / max(wanted, 1)),
        (config.trials * head_s, 1.0 if at >= FINAL else len(progress.trials) / config.trials),
        (head_s if config.folds else 0.0, float(bool(progress.curves.epochs))),
        (tuning * _TUNED_IMAGE_S * images, min(max(tuned / max(tuning, 1), 0.0), 1.0)),
    ]
    total = sum(seconds for seconds, _ in work)
    return min(sum(seconds * done for seconds, done in work) / total, 1.0) if total else 0.0


def epochs_done(curves: Curves) -> float:
    """Return how many epochs of a training are done; steps count."""
    last = curves.steps[-1] if curves.steps else None
    if curves.plan is None or last is None or last.epoch <= len(curves.epochs):
        return float(len(curves.epochs))
    return len(curves.epochs) + last.step / curves.plan.steps


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count_of(1, "epoch"), count_of(20, "epoch")
    ('1 epoch', '20 epochs')
    """
    return f"{number} {noun}{'s' * (number != 1)}"


def describe_features(part: FeaturesExtracted) -> str:
    """Return what was computed of one part of the images, and how fast.

    >>> describe_features(FeaturesExtracted("train", 400, 400, 8.0, False))
    'Features of 400 training images: 8.0 s, 50 images/s.'
    """
    images = f"{part.count:,} {'training' if part.part == 'train' else part.part} images"
    if part.cached:
        return f"Features of {images}: read from cache."
    if part.done < part.count:
        return f"Features: {part.done:,} of {images}."
    speed = f", {part.done / part.seconds:,.0f} images/s" if part.seconds else ""
    return f"Features of {images}: {duration(part.seconds)}{speed}."


def describe_plan(config: TransferConfig, *, tested: bool | None = None) -> str:
    """Return what will be tried, in a sentence; `tested`: whether there is a test set, None where that is not known.

    >>> describe_plan(TransferConfig("mobilenet", learning_rates=(0.01, 0.001), folds=5), tested=False)
    '2 learning rates × 5 folds = 10 trials of 20 epochs, then final training.'
    """
    rates = count_of(len(config.learning_rates), "learning rate")
    tried = f"{rates} × {config.folds} folds = " if config.folds else f"{rates}, single split: "
    heads = f"{count_of(config.trials, 'trial')} of {count_of(config.epochs, 'epoch')}"
    final = ", then final training" if config.folds else ""
    copies = f", on each image and {config.copies} augmented {'copy' if config.copies == 1 else 'copies'}" * bool(
        config.copies
    )
    tuned = f", then {count_of(config.fine_tune_epochs, 'epoch')} of fine-tuning" if config.fine_tune_layers else ""
    test = " The test set is" if tested else " A test set, if there is one, is"
    return f"{tried}{heads}{copies}{final}{tuned}." + (f"{test} used once, at the end." if tested is not False else "")


def describe_choice(chosen: HeadChosen) -> str:
    """Return which head was chosen, and why.

    >>> describe_choice(HeadChosen(0.01, 12, "validation accuracy 66.4 %"))
    'Learning rate 0.01, 12 epochs: validation accuracy 66.4 %.'
    """
    return f"Learning rate {chosen.learning_rate:g}, {chosen.epochs} epochs: {chosen.why}."


def describe_fine_tuning(tuned: FineTuned, images: int | None = None) -> str:
    """Return whether fine-tuning helped, and by how much, on `images` validation images."""
    head, reached, kept = (
        accuracy.short(share, images) for share in (tuned.head_accuracy, tuned.reached_accuracy, tuned.kept_accuracy)
    )
    if not tuned.kept:
        same = tuned.reached_accuracy == tuned.head_accuracy
        loss = f" at a loss of {tuned.reached_loss:.3f} instead of {tuned.head_loss:.3f}" if same else ""
        return (
            f"Fine-tuning did not help: {reached} after {count_of(tuned.epochs, 'epoch')}{loss}; "
            f"the classifier alone ({head}) was kept."
        )
    epochs = f"epoch {tuned.kept} of {tuned.epochs} was kept"
    if tuned.kept_accuracy == tuned.head_accuracy:
        return (
            f"Fine-tuning reduced the loss from {tuned.head_loss:.3f} to {tuned.kept_loss:.3f} at the same accuracy "
            f"({head}); {epochs}."
        )
    return f"Fine-tuning helped: {kept} instead of {head} with the classifier alone; {epochs}."


def describe_failures(trials: Sequence[TrialEnd]) -> str:
    """Return the learning rates that failed, in a sentence; empty where none did.

    >>> describe_failures([TrialEnd(1.0, 2, 0, 0.0, 0.0, 0.0, 0.0, 0.1, "Expected a loss that is a number. …")])
    'The loss became NaN at learning rate 1.'
    """
    rates = [f"{rate:g}" for rate in sorted({trial.learning_rate for trial in trials if trial.error}, reverse=True)]
    return f"The loss became NaN at learning rate{'s' * (len(rates) > 1)} {', '.join(rates)}." if rates else ""


def kept_epoch(progress: Progress, config: TransferConfig) -> int | None:
    """Return the epoch (from 1) of the curves whose network was published; None where that is not to be marked."""
    if progress.tuned is not None:
        return len(progress.curves.epochs) - progress.tuned.epochs + progress.tuned.kept
    if config.folds or config.fine_tune_layers or progress.chosen is None:
        return None  # the last one, or not known yet
    return progress.chosen.epochs


def describe_curves(progress: Progress, config: TransferConfig) -> tuple[str, str]:
    """Return what the curves are of: a title, and how to read them."""
    folds = f"he validation curve is the mean over {config.folds} folds" if config.folds else ""
    kept = kept_epoch(progress, config)
    ring = f"The ring marks the saved model: epoch {kept}." if kept is not None else ""
    if config.fine_tune_layers:
        head = len(progress.curves.epochs) - progress.tuned.epochs if progress.tuned else None
        until = f"Classifier only up to epoch {head}" if head else "Classifier only at first"
        means = f"; there t{folds}, then of one held-out part" if folds else ""
        return "Classifier, then fine-tuning", f"{until}{means}. {ring}".rstrip()
    if config.folds:
        return "Final training", f"T{folds} at the same epoch; the training curve is of the final classifier."
    return "Best trial", ring


def describe_measured(progress: Progress, config: TransferConfig) -> tuple[str, str]:
    """Return what the final accuracy was measured on: a title, and a remark."""
    if progress.curves.finished is None:
        return "", ""
    if progress.curves.finished.metrics["set"] == "test":
        share = percent(config.test_fraction, 0)
        return "Test set", f"{share} of each class, held out before training." if config.test_fraction else ""
    if config.folds and not config.fine_tune_layers:
        return "Cross-validation", (
            f"{NO_TEST_SET} Each image was predicted by a classifier not trained on it; this accuracy also selected "
            "the learning rate."
        )
    selected = "epoch" if config.fine_tune_layers else "classifier"
    return "Validation set", f"{NO_TEST_SET} It also selected the {selected}, so expect slightly less on new images."
