"""A fine-tuning run, running or finished: its stages, its trials, learning curves, and a preview of the classifier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from imgrec.charts import transfer
from imgrec.errors import ImgrecError
from imgrec.images import decoding, gallery
from imgrec.images.decoding import DecodedImage
from imgrec.images.preprocessing import frame
from imgrec.jobs import Job
from imgrec.models import cards
from imgrec.reports import accuracy
from imgrec.settings import MIB, ROOT
from imgrec.training import summary, transfer_job, transfer_stages
from imgrec.training.transfer_config import TransferConfig
from imgrec.training.transfer_job import Progress
from imgrec.training.trial_results import Summary, spread
from imgrec.ui import caches, image_input, uploads
from imgrec.ui.elements import Tile, strip
from imgrec.ui.markdown import plain
from imgrec.ui.train import curves

COMPARE = str(ROOT / "pages" / "compare.py")

PREVIEW_SIDE_PX = 220

UNKNOWN_IMAGES = (
    "On Compare, predictions above the limit are marked “most likely none of these”. A classifier can be confident "
    "about an image of none of its classes, so many of these stay below the limit, above all with few classes."
)

_DONE, _NOW, _LATER = ":material/check_circle:", ":material/pending:", ":material/radio_button_unchecked:"


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The image that a head is asked about."""

    name: str
    image: DecodedImage


def lesson_view(job: Job, progress: Progress, state: str, *, moving: bool, table: bool) -> None:
    """All that a lesson has told, which is `progress`."""
    lesson = TransferConfig.from_dict(job.configuration["lesson"])
    _stages(lesson, progress, state)
    if moving:
        st.progress(transfer_stages.share_done(progress, lesson))
    for part in progress.features:
        st.caption(transfer_stages.describe_features(part))
    if state != "finished":
        tested = transfer_stages.has_test(progress) if progress.curves.data else None
        st.caption(transfer_stages.describe_plan(lesson, tested=tested))
    told = progress.curves
    if told.finished is not None:
        finished(str(told.finished.name), summary.outcome(progress), told.finished.metrics)
    if progress.tuned is not None:
        st.markdown(plain(transfer_stages.describe_fine_tuning(progress.tuned, summary.validated_on(progress.curves))))
    _preview(job, lesson, progress, state)
    if progress.trials and (lesson.trials > 1 or lesson.folds):
        _trials(progress, table, folds=lesson.folds > 0)
    if told.epochs:
        _curves(lesson, progress, table)
    if told.data is None:
        return
    if told.finished is not None:
        _measured(lesson, progress, table)
    elif told.epochs and told.epochs[-1].confusion:
        # Of folds, and of one split, it is what the trials said; while layers learn, that of their newest epoch.
        st.markdown("**Validation so far**")
        curves.matrix(told.epochs[-1].confusion, told.data.classes, "validation", "run", table=table)


def finished(name: str, outcome: str, metrics: Mapping[str, Any]) -> None:
    """Return the model that a run has trained, and the link to it."""
    caches.renew_catalog()
    # Green would praise what may be chance.
    box = st.info if accuracy.is_few(metrics["pictures"]) else st.success
    box(f"**{name}** is in the catalog: {outcome}.", icon=":material/check_circle:")
    card = next((card for card in cards.all_cards(caches.settings()) if card.name == name), None)
    if card is not None:
        limit(card)
    if name in caches.catalog():
        st.page_link(
            COMPARE,
            label="Try it on Compare",
            icon=":material/compare:",
            query_params={"models": name},
        )


def limit(card: cards.Card) -> None:
    """Return what the card says of images of none of its classes; nothing of models whose card does not."""
    if sentence := card.fields.get("unknown_images"):
        st.caption(plain(str(sentence)), help=UNKNOWN_IMAGES)


def _stages(lesson: TransferConfig, progress: Progress, state: str) -> None:
    """The stages of a run in one line: done, current and coming."""
    now = transfer_stages.stage(progress)
    parts = []
    for number, title in enumerate(transfer_stages.stages(progress, lesson)):
        if number == now == transfer_stages.TRIALS and progress.trials_planned:
            title += f" {len(progress.trials)} of {progress.trials_planned}"
        icon = _DONE if number < now else _NOW if number == now and state == "running" else _LATER
        text = f"{icon} {title}".replace(" ", "\u00a0")  # lines break between stages
        parts.append(text if number < now else f"**{text}**" if number == now else f":gray[{text}]")
    st.markdown(" &ensp; ".join(parts))


def _trials(progress: Progress, table: bool, *, folds: bool) -> None:
    """Return the result of each learning rate, and every trial behind it."""
    st.markdown("**Learning rates**")
    if failures := transfer_stages.describe_failures(progress.trials):
        st.markdown(failures)
    words = transfer.describe_rates(progress.summaries, folds=folds, images=summary.validated_on(progress.curves))
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
                "Validation accuracy": st.column_config.NumberColumn(format="percent"),
                "Training accuracy": st.column_config.NumberColumn(format="percent"),
                "Validation loss": st.column_config.NumberColumn(format="%.4f"),
                "Training loss": st.column_config.NumberColumn(format="%.4f"),
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


def _curves(lesson: TransferConfig, progress: Progress, table: bool) -> None:
    """The learning curves, and which epoch was kept."""
    title, words = transfer_stages.describe_curves(progress, lesson)
    st.markdown(f"**{title}**")
    if progress.chosen is not None:
        st.caption(plain(f"{transfer_stages.describe_choice(progress.chosen)} {words}"))
    kept = transfer_stages.kept_epoch(progress, lesson)
    curves.learning_curves(progress.curves, "run", table=table, kept=kept)


def _measured(lesson: TransferConfig, progress: Progress, table: bool) -> None:
    """Confusion matrices of the saved model: on the training set, and on held-out images."""
    told = progress.curves
    if told.finished is None or told.data is None:
        return
    title, words = transfer_stages.describe_measured(progress, lesson)
    metrics, training = told.finished.metrics, told.finished.training
    with st.grid(2, min_column_width=320):
        if training is not None:  # older runs do not have it
            with st.container():
                st.markdown("**Training set**")
                st.caption("Training accuracy; not a measure of performance on new images.")
                curves.matrix(training["confusion"], told.data.classes, "training", "run_training", table=table)
        with st.container():
            st.markdown(f"**{title}**")
            if words:
                first, _, more = words.partition(". ")
                st.caption(first if not more else f"{first}.", help=more or None)
            curves.matrix(metrics["confusion"], told.data.classes, metrics["set"], "run", table=table)


def _preview(job: Job, lesson: TransferConfig, progress: Progress, state: str) -> None:
    """Any image, and what the newest head says of it; while it trains the bars move."""
    # Before the first features the network may still have to be fetched, and a page does not wait for that.
    if not progress.features or progress.curves.data is None or state not in {"running", "finished"}:
        return
    changed = progress.tuned is None or progress.tuned.kept
    if lesson.fine_tune_layers and state == "finished" and changed:
        return  # its backbone is no longer the published one; Compare asks the whole network
    with st.container(border=True, gap="small"):
        st.markdown("**Try it while it trains**" if state == "running" else "**Try it**")
        left, right = st.columns([1, 2])
        with left:
            shown = _image()
        if shown is None:
            right.caption("Drop an image, or choose a sample.")
            return
        with right:
            _answer(job, lesson, progress, shown)


def _answer(job: Job, lesson: TransferConfig, progress: Progress, shown: Shown) -> None:
    classes = progress.curves.data.classes if progress.curves.data else []
    row = lesson.backbone_spec()
    try:
        key = (shown.image.sha256, row.name)
        kept = st.session_state.get("preview_features")
        if kept is None or kept[0] != key:
            pixels = frame(shown.image, row.input_size, row.crop_fraction)
            features, _ = caches.pool().predict(row, pixels[None])
            kept = st.session_state["preview_features"] = (key, features)
        found = transfer_job.preview(job, kept[1])
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    if found is None:
        st.caption("The first classifier is not trained yet.")
        return
    lines = transfer.preview_lines(found[0], classes)
    words = transfer.describe_preview(lines)
    st.vega_lite_chart(transfer.preview_chart(lines), theme=None, alt=f"Prediction: {words}", key="run_preview")
    st.caption(plain(words))
    if lesson.fine_tune_layers and progress.curves.epochs and progress.curves.finished is None:
        st.caption("Prediction of the classifier before fine-tuning of further layers.")


def _image() -> Shown | None:
    """Return the image to ask about: dropped here, a sample, or the one that is looked at on Compare."""
    file = st.file_uploader(
        "Image to try",
        key=uploads.key_of("preview"),
        max_upload_size=max(1, caches.settings().max_upload_bytes // MIB),
        label_visibility="collapsed",
    )
    if file is not None and (refusal := _take(file)) is not None:
        st.error(plain(refusal), icon=":material/broken_image:")
    box = st.popover("Samples", icon=":material/photo_library:", type="tertiary", key="preview_box", on_change="rerun")
    if box.open:  # else they would be sent with each look
        tiles = [
            Tile(sample.file, f"{sample.title}: {sample.alt}", caches.sample_thumbnail(sample.file))
            for sample in gallery.get_samples()
        ]
        with box:
            strip("Sample images", tiles, key="preview_samples", on_pick=_take_sample)
    shown: Shown | None = st.session_state.get("preview_picture")
    if shown is None and (current := image_input.current()) is not None:
        shown = Shown(current.name, current.image)
    if shown is not None:
        st.image(
            caches.thumbnail(shown.image.sha256, PREVIEW_SIDE_PX, shown.image),
            width="stretch",
            alt=f"Image to classify: {shown.name}",
        )
    return shown


def _take(file: UploadedFile) -> str | None:
    """Make the dropped image the one that is asked about, once; the sentence if it cannot be used."""
    # The page looks each second while a head learns, and the file stays in the uploader.
    taken: tuple[str, str | None] | None = st.session_state.get("preview_taken")
    if taken is None or taken[0] != file.file_id:
        refusal = None
        try:
            image = decoding.decode(file.getvalue(), max_bytes=caches.settings().max_upload_bytes, name=file.name)
            st.session_state["preview_picture"] = Shown(file.name, image)
        except ImgrecError as error:
            refusal = str(error)
        taken = st.session_state["preview_taken"] = (file.file_id, refusal)
    return taken[1]


def _take_sample(file: str) -> None:
    sample = gallery.get_sample(file)
    data = gallery.read(sample)
    st.session_state["preview_picture"] = Shown(sample.title, decoding.decode(data, max_bytes=len(data)))
    # What was dropped before must not come back.
    dropped: UploadedFile | None = st.session_state.get(uploads.key_of("preview"))
    uploads.empty("preview", [dropped] if dropped is not None else [])
