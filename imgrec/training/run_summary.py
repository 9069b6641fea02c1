"""Trainings, transfer learning and searches in words: where a run is, and what came of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from imgrec.formatting import duration, percent
from imgrec.jobs import Job
from imgrec.models.cards import Card
from imgrec.reports import accuracy
from imgrec.settings import MIB
from imgrec.training import events
from imgrec.training.events import EpochEnd, TrainingBegin
from imgrec.training.search_job import Search, Trial
from imgrec.training.search_spaces import Value, words
from imgrec.training.training_job import Curves, curves_in
from imgrec.training.transfer_job import WORKER as TRANSFER_WORKER
from imgrec.training.transfer_job import Progress, progress_in
from imgrec.training.transfer_stages import TRIALS, count_of, epochs_done, stage
from imgrec.training.trial_results import Summary, spread

# Of the files that were left out; the log has more.
MAX_NAMED = 3


def read(job: Job, lines: Sequence[dict[str, Any]] | None = None) -> Curves | Progress:
    """Return the log of a training, from scratch or by transfer; `lines` are its lines if they were read before."""
    lines = job.progress()[0] if lines is None else lines
    return progress_in(lines) if job.module == TRANSFER_WORKER else curves_in(lines)


def status(run: Curves | Progress | Search, state: str) -> str:
    """Return where a run is, how well it does, and how long it will still take, in one line."""
    if state == "queued":
        return state
    if isinstance(run, Search):
        return _search_status(run, state)
    return _transfer_status(run, state) if isinstance(run, Progress) else _training_status(run, state)


def outcome(run: Curves | Progress | Search) -> str:
    """Return what came of a finished run in a sentence, with its times from the log; empty before."""
    if isinstance(run, Search):
        return _search_outcome(run)
    curves = run.curves if isinstance(run, Progress) else run
    if curves.finished is None:
        return ""
    metrics: dict[str, Any] = curves.finished.metrics
    measured = accuracy.in_words(metrics["accuracy"], metrics["pictures"], metrics["set"])
    if not isinstance(run, Progress):
        parts = [
            f"{count_of(len(curves.epochs), 'epoch')} in {duration(curves.training_seconds)}",
            learning_rates(curves),
        ]
    else:
        computed = sum(part.seconds for part in run.features if not part.cached)
        parts = [
            f"features in {duration(computed)}" if computed else "cached features",
            f"{count_of(len(run.trials), 'trial')} in {duration(sum(trial.seconds for trial in run.trials))}",
        ]
        if run.tuned and (tuned := sum(row.seconds for row in curves.epochs[-run.tuned.epochs :])):
            parts.append(f"fine-tuning in {duration(tuned)}")
    return f"{measured}; {', '.join(filter(None, parts))}"


def _training_status(curves: Curves, state: str) -> str:
    if curves.plan is None:
        if state == "running" and curves.weights is not None and curves.weights.done_bytes is not None:
            done, total = curves.weights.done_bytes / MIB, (curves.weights.total_bytes or 0) / MIB
            share = f", {done:,.0f} of {total:,.0f} MiB" if total else f", {done:,.0f} MiB" if done else ""
            return f"downloading {curves.weights.model}{share}"
        return "reading the images" if state == "running" else state
    parts = []
    if curves.steps:
        last = curves.steps[-1]
        parts.append(f"epoch {last.epoch} of {curves.plan.epochs}")
        if curves.plan.steps > 1:
            parts.append(f"step {last.step} of {curves.plan.steps}")
        parts.append(f"loss {last.loss:.3f}, accuracy {percent(last.accuracy)}")
    else:
        parts.append("building the network")
    if curves.epochs:
        parts.append(
            f"validation accuracy {accuracy.short(curves.epochs[-1].validation_accuracy, validated_on(curves))}"
        )
    if state == "running" and curves.steps:
        parts.append(f"{curves.steps[-1].images_per_second:,.0f} images/s")
        if (left := curves.remaining_seconds) is not None:
            parts.append(f"{duration(left)} left")
    return " · ".join(parts)


def _transfer_status(progress: Progress, state: str) -> str:
    curves, chosen = progress.curves, progress.chosen
    # Folds may differ in size, so that a mean over them is no count.
    images = None if any(trial.fold for trial in progress.trials) else validated_on(curves)
    if curves.finished is not None:
        metrics = curves.finished.metrics
        return accuracy.in_words(metrics["accuracy"], metrics["pictures"], metrics["set"])
    if curves.epochs and curves.plan is not None:
        if chosen and len(curves.epochs) >= curves.plan.epochs:
            return f"learning rate {chosen.learning_rate:g}, {chosen.epochs} epochs: {chosen.why}"
        last = curves.epochs[-1]
        return (
            f"epoch {last.epoch} of {curves.plan.epochs} · loss {last.loss:.3f}, "
            f"accuracy {percent(last.accuracy)} · "
            f"validation accuracy {accuracy.short(last.validation_accuracy, images)}"
        )
    if progress.trials:
        trial = progress.trials[-1]
        fold = f", fold {trial.fold}" if trial.fold else ""
        figure = "failed" if trial.error else f"validation accuracy {accuracy.short(trial.validation_accuracy, images)}"
        done = f"trial {len(progress.trials)} of {progress.trials_planned}"
        return f"{done} · learning rate {trial.learning_rate:g}{fold}: {figure}"
    if progress.preparing:
        return progress.preparing
    if state == "running" and stage(progress) == TRIALS:
        return "starting TensorFlow"
    if progress.features:
        part = progress.features[-1]
        speed = f" · {part.done / part.seconds:,.0f} images/s" if part.seconds >= 1 and not part.cached else ""
        return f"features of {part.part} images · {part.done:,} of {part.count:,}{speed}"
    return "reading the images" if curves.data is None else "preparing"


def _search_status(search: Search, state: str) -> str:
    if search.plan is None:
        return "reading the images" if state == "running" else state
    now, done = search.open, len(search.finished) + len(search.failed)
    parts = [f"trial {now.number if now else done} of {search.plan.trials}"]
    if now is not None and now.step is not None and state == "running":
        parts.append(f"epoch {now.step.epoch} of {now.planned_epochs}")
    if search.failed:
        parts.append(f"{len(search.failed)} failed")
    if (best := search.best) is not None:
        parts.append(f"best {result(search, best)} (trial {best.number})")
    if state == "running" and (left := search.remaining_seconds) is not None:
        parts.append(f"{duration(left)} left")
    return " · ".join(parts)


def _search_outcome(search: Search) -> str:
    best, images = search.best, search.data.validated_on if search.data else None
    if best is None:
        return "No trial is finished yet."
    measured = f"validation accuracy {percent(best.accuracy or 0.0)}"
    if images and accuracy.is_few(images):
        measured = accuracy.in_words(best.accuracy or 0.0, images, "validation")
    spent = duration(sum(trial.seconds for trial in search.trials))
    return (
        f"Best of {len(search.finished)} trials: trial {best.number}, {measured}, with {in_words(best.values)} "
        f"({best.parameters or 0:,} parameters); {spent} of training in total."
    )


def share_done(curves: Curves) -> float:
    """Return how much of a training is done, in [0, 1]; steps count."""
    return min(epochs_done(curves) / curves.plan.epochs, 1.0) if curves.plan else 0.0


def result(search: Search, trial: Trial) -> str:
    """Return the validation accuracy of a finished trial; of few images as counts."""
    return accuracy.short(trial.accuracy or 0.0, search.data.validated_on if search.data else None)


def in_words(values: Mapping[str, Value]) -> str:
    """Return settings for people.

    >>> in_words({"learning_rate": 0.001, "batch_size": 64})
    'learning rate 0.001, batch size 64'
    """
    return ", ".join(f"{words(name)} {figure(value)}" for name, value in values.items())


def figure(value: Value) -> str:
    """Return a setting's value, to the digits that it has."""
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def validated_on(curves: Curves) -> int | None:
    """Return how many images a network or each trial was validated on; None where nothing is known yet."""
    return None if curves.data is None else curves.data.validated_on


def learning_rates(curves: Curves) -> str:
    """Return which learning rate held from which epoch on; empty unless a resumed run was given another.

    >>> learning_rates(Curves([], [], None, None, None, learning_rates=((1, 0.5), (6, 0.01))))
    'with the learning rate 0.5, from epoch 6 on 0.01'
    """
    first, *later = curves.learning_rates or ((1, 0.0),)
    changes = "".join(f", from epoch {epoch} on {rate:g}" for epoch, rate in later)
    return f"with the learning rate {first[1]:g}{changes}" if later else ""


def left_out(curves: Curves) -> tuple[str, ...]:
    """Return how many files a run could not use, and the first of them; empty where there are none."""
    data = curves.data
    if data is None or not data.left_out:
        return ()
    named = [f"skipped: {note}" for note in data.notes[:MAX_NAMED]]
    more = data.left_out - len(named)
    return (*named, f"skipped: {more:,} more; see the run's log") if more else tuple(named)


def describe_rate(row: Summary, images: int | None) -> str:
    """Return one learning rate in a line; `images` is how many each of its trials was validated on."""
    figure = spread(row.validation_accuracy, row.validation_accuracy_sd, row.trials)
    if row.trials == 1:
        figure = accuracy.short(row.validation_accuracy, images)
    return f"learning rate {row.learning_rate:g}: validation accuracy {figure}, best after {row.best_epoch:.1f} epochs"


def curves_of(card: Card) -> Curves:
    """Return the curves of a model that was trained before, from its card."""
    rows = [events.from_fields(EpochEnd, row) for row in card.curves]
    rates = tuple((int(epoch), float(rate)) for epoch, rate in card.fields.get("learning_rate_from_epoch", ()))
    return Curves(rows, [], TrainingBegin(epochs=len(rows)), None, None, learning_rates=rates)


def epochs_of(card: Card) -> int:
    """Return how many epochs the published model was trained: up to the one that was kept, fine-tuning included.

    Of its curves that may be a part: they go on, where one split was validated on, to the end of the trial.
    """
    chosen, tuned = card.fields.get("chosen"), card.fields.get("tuned")
    if not chosen or (card.fields.get("lesson", {}).get("unfreeze") and not tuned):
        return len(card.curves)
    return int(chosen["epochs"]) + (int(tuned["kept"]) if tuned else 0)
