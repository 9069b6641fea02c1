"""A transfer learning run, active or finished: its stages, trials, learning curves and confusion matrices."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from imgrec.charts import transfer
from imgrec.jobs import Job
from imgrec.models import cards
from imgrec.reports import accuracy
from imgrec.settings import APP
from imgrec.training import run_summary, transfer_stages
from imgrec.training.transfer_config import TransferConfig
from imgrec.training.transfer_job import Progress
from imgrec.training.trial_results import Summary, spread
from imgrec.ui import caches
from imgrec.ui.markdown import plain
from imgrec.ui.train import model_preview, run_charts

COMPARE = str(APP / "pages" / "compare.py")

UNKNOWN_IMAGES = (
    "On Compare, predictions above the limit are marked “most likely none of these”. A classifier can be confident "
    "about an image of none of its classes, so many of these stay below the limit, above all with few classes."
)

_DONE, _NOW, _LATER = ":material/check_circle:", ":material/pending:", ":material/radio_button_unchecked:"


def transfer_view(job: Job, progress: Progress, state: str, *, is_active: bool, table: bool) -> None:
    """Show the `progress` of a transfer learning run."""
    config = TransferConfig.from_dict(job.configuration["lesson"])
    _stages(config, progress, state)
    if is_active:
        st.progress(transfer_stages.share_done(progress, config))
    for part in progress.features:
        st.caption(transfer_stages.describe_features(part))
    if state != "finished":
        tested = transfer_stages.has_test(progress) if progress.curves.data else None
        st.caption(transfer_stages.describe_plan(config, tested=tested))
    told = progress.curves
    if told.finished is not None:
        finished(told.finished.name, run_summary.outcome(progress), told.finished.metrics)
    if progress.tuned is not None:
        st.markdown(plain(transfer_stages.describe_fine_tuning(progress.tuned, run_summary.validated_on(told))))
    model_preview.preview(job, config, progress, state)
    if progress.trials and (config.trials > 1 or config.folds):
        _trials(progress, table, folds=config.folds > 0)
    if told.epochs:
        _curves(config, progress, table)
    if told.data is None:
        return
    if told.finished is not None:
        _measured(config, progress, table)
    elif told.epochs and told.epochs[-1].confusion:
        # Of folds, and of one split, it is what the trials said; while layers learn, that of their newest epoch.
        st.markdown("**Validation so far**")
        run_charts.matrix(told.epochs[-1].confusion, told.data.classes, "validation", "run", table=table)


def finished(name: str, outcome: str, metrics: Mapping[str, Any]) -> None:
    """Show the model that a run has trained, its limit for unknown images, and the link to it."""
    caches.renew_catalog()
    # On few images a good result may be chance, so that it is not green.
    box = st.info if accuracy.is_few(metrics["pictures"]) else st.success
    box(f"**{name}** is in the catalog: {outcome}.", icon=":material/check_circle:")
    card = next((card for card in cards.all_cards(caches.settings()) if card.name == name), None)
    if card is not None and (sentence := card.fields.get("unknown_images")):
        st.caption(plain(str(sentence)), help=UNKNOWN_IMAGES)
    if name in caches.catalog():
        link = {"models": name}
        st.page_link(COMPARE, label="Try it on Compare", icon=":material/compare:", query_params=link)


def _stages(config: TransferConfig, progress: Progress, state: str) -> None:
    """Show the stages of a run in one line: done, current and coming."""
    now = transfer_stages.stage(progress)
    parts = []
    for number, title in enumerate(transfer_stages.stages(progress, config)):
        if number == now == transfer_stages.TRIALS and progress.trials_planned:
            title += f" {len(progress.trials)} of {progress.trials_planned}"
        icon = _DONE if number < now else _NOW if number == now and state == "running" else _LATER
        text = f"{icon} {title}".replace(" ", "\u00a0")  # lines break between stages
        parts.append(text if number < now else f"**{text}**" if number == now else f":gray[{text}]")
    st.markdown(" &ensp; ".join(parts))


def _trials(progress: Progress, table: bool, *, folds: bool) -> None:
    """Show the result of each learning rate, and every trial behind it."""
    st.markdown("**Learning rates**")
    if failures := transfer_stages.describe_failures(progress.trials):
        st.markdown(failures)
    words = transfer.describe_rates(progress.summaries, folds=folds, images=run_summary.validated_on(progress.curves))
    if progress.summaries:
        st.markdown(words)
    if progress.summaries and table:
        st.dataframe(summary_rows(progress.summaries), hide_index=True, alt=words)
    elif progress.summaries:
        st.vega_lite_chart(transfer.rates_chart(progress), theme=None, alt=words, key="run_rates")
    with st.expander(f"All {len(progress.trials)} trials", icon=":material/table_rows:"):
        st.dataframe(
            trial_rows(progress),
            hide_index=True,
            alt="Every trial: learning rate, fold, best epoch, accuracies and losses",
            column_config={
                f"{part} {figure}": st.column_config.NumberColumn(format=format)
                for part in ("Validation", "Training")
                for figure, format in (("accuracy", "percent"), ("loss", "%.4f"))
            },
        )
    bars = " Bars: ± one standard deviation over the folds." if folds else ""
    st.caption(f"Each trial is scored at its epoch with the best validation accuracy.{bars}")


def trial_rows(progress: Progress) -> list[dict[str, Any]]:
    """Return one row a trial, in their order; of one that failed, without figures."""
    columns = {
        "Best epoch": "best_epoch",
        "Validation accuracy": "validation_accuracy",
        "Validation loss": "validation_loss",
        "Training accuracy": "train_accuracy",
        "Training loss": "train_loss",
    }
    return [
        {"Learning rate": f"{trial.learning_rate:g}", "Fold": str(trial.fold) if trial.fold else "single split"}
        | {name: None if trial.error else getattr(trial, field) for name, field in columns.items()}
        | {"Seconds": round(trial.seconds, 2)}
        for trial in progress.trials
    ]


def summary_rows(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """Return one row a learning rate: mean ± standard deviation over its folds."""
    return [
        {
            "Learning rate": f"{row.learning_rate:g}",
            "Trials": row.trials,
            "Validation accuracy": spread(row.validation_accuracy, row.validation_accuracy_sd, row.trials),
            "Validation loss": f"{row.validation_loss:.3f} ± {row.validation_loss_sd:.3f}",
            "Training accuracy": spread(row.train_accuracy, row.train_accuracy_sd, row.trials),
            "Best epoch": round(row.best_epoch, 1),
        }
        for row in summaries
    ]


def _curves(config: TransferConfig, progress: Progress, table: bool) -> None:
    """Show the learning curves, and which epoch was kept."""
    title, words = transfer_stages.describe_curves(progress, config)
    st.markdown(f"**{title}**")
    if progress.chosen is not None:
        st.caption(plain(f"{transfer_stages.describe_choice(progress.chosen)} {words}"))
    kept = transfer_stages.kept_epoch(progress, config)
    run_charts.learning_curves(progress.curves, "run", table=table, kept=kept)


def _measured(config: TransferConfig, progress: Progress, table: bool) -> None:
    """Show the confusion matrices of the saved model: of the training set, and of held-out images."""
    told = progress.curves
    if told.finished is None or told.data is None:
        return
    title, words = transfer_stages.describe_measured(progress, config)
    metrics, training = told.finished.metrics, told.finished.training
    with st.grid(2, min_column_width=320):
        if training is not None:  # older runs do not have it
            with st.container():
                st.markdown("**Training set**")
                st.caption("Training accuracy; not a measure of performance on new images.")
                run_charts.matrix(training["confusion"], told.data.classes, "training", "run_training", table=table)
        with st.container():
            st.markdown(f"**{title}**")
            if words:
                first, _, more = words.partition(". ")
                st.caption(first if not more else f"{first}.", help=more or None)
            run_charts.matrix(metrics["confusion"], told.data.classes, metrics["set"], "run", table=table)
