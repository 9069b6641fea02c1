"""A lesson under way or finished: its stages, what was tried, the curves of the head, and what it says by now."""

from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from imgrec import cards, images, lesson_charts, samples
from imgrec.catalogue import CATALOGUE
from imgrec.errors import ImgrecError
from imgrec.images import DecodedImage
from imgrec.jobs import Job
from imgrec.preprocessing import frame
from imgrec.settings import MIB, ROOT
from imgrec.training import lessons
from imgrec.training.lessons import Lesson, Progress
from imgrec.ui import chutes, curves, pictures, resources
from imgrec.ui.elements import Tile, strip
from imgrec.ui.wording import plain

COMPARE = str(ROOT / "pages" / "compare.py")

PREVIEW_SIDE_PX = 220

_DONE, _NOW, _LATER = ":material/check_circle:", ":material/pending:", ":material/radio_button_unchecked:"


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The picture that a head is asked about."""

    name: str
    image: DecodedImage


def lesson_view(job: Job, progress: Progress, state: str, *, moving: bool, table: bool) -> None:
    """All that a lesson has told, which is `progress`."""
    lesson = Lesson.from_dict(job.configuration["lesson"])
    _stages(lesson, progress, state)
    if moving:
        st.progress(lesson_charts.share_done(progress, lesson))
    for part in progress.features:
        st.caption(lesson_charts.describe_features(part))
    if state != "finished":
        tested = lesson_charts.has_test(progress) if progress.curves.data else None
        st.caption(lesson_charts.describe_plan(lesson, tested=tested))
    told = progress.curves
    if told.finished is not None:
        finished(str(told.finished["name"]), lesson_charts.outcome(progress))
    if progress.tuned is not None:
        st.markdown(plain(progress.tuned.sentence))
    _preview(job, lesson, progress, state)
    if progress.trials and (lesson.trials > 1 or lesson.folds):
        _trials(progress, table, folds=lesson.folds > 0)
    if told.epochs:
        _curves(lesson, progress, table)
    if told.data is None:
        return
    if told.finished is not None:
        _measured(lesson, progress, table)
    elif told.epochs and told.epochs[-1].get("confusion"):
        # Of folds, and of one split, it is what the trials said; while layers learn, that of their newest epoch.
        st.markdown("**Validation by now**")
        curves.matrix(told.epochs[-1]["confusion"], told.data["classes"], "validation", "run", table=table)


def finished(name: str, outcome: str) -> None:
    """The model that came of a run, and the way to it."""
    cards.register(resources.settings())
    st.success(f"**{name}** is in the catalogue: {outcome}.", icon=":material/check_circle:")
    if name in CATALOGUE:
        st.page_link(
            COMPARE,
            label="Show it pictures on Compare",
            icon=":material/compare:",
            query_params={"models": name},
        )


def _stages(lesson: Lesson, progress: Progress, state: str) -> None:
    """The way of a lesson in one line: what is done, what is going on, and what is to come."""
    now = lesson_charts.stage(progress)
    parts = []
    for number, title in enumerate(lesson_charts.stages(progress, lesson)):
        if number == now == lesson_charts.TRIALS and progress.trials_planned:
            title += f" {len(progress.trials)} of {progress.trials_planned}"
        icon = _DONE if number < now else _NOW if number == now and state == "running" else _LATER
        text = f"{icon} {title}".replace(" ", "\u00a0")  # lines break between stages
        parts.append(text if number < now else f"**{text}**" if number == now else f":gray[{text}]")
    st.markdown(" &ensp; ".join(parts))


def _trials(progress: Progress, table: bool, *, folds: bool) -> None:
    """What each learning rate came to, and every single trial behind it."""
    st.markdown("**Learning rates**")
    if failures := lesson_charts.describe_failures(progress.trials):
        st.markdown(failures)
    words = lesson_charts.describe_rates(progress.summaries, folds=folds)
    if progress.summaries:
        st.markdown(words)
    if progress.summaries and table:
        st.dataframe(lesson_charts.summary_rows(progress.summaries), hide_index=True, alt=words)
    elif progress.summaries:
        st.vega_lite_chart(lesson_charts.rates_chart(progress), theme=None, alt=words, key="run_rates")
    with st.expander(f"All {len(progress.trials)} trials", icon=":material/table_rows:"):
        st.dataframe(
            lesson_charts.trial_rows(progress),
            hide_index=True,
            alt="Every trial: learning rate, fold, best epoch, accuracies and losses",
            column_config={
                "Validation accuracy": st.column_config.NumberColumn(format="percent"),
                "Training accuracy": st.column_config.NumberColumn(format="percent"),
                "Validation loss": st.column_config.NumberColumn(format="%.4f"),
                "Training loss": st.column_config.NumberColumn(format="%.4f"),
            },
        )
    bars = "; bars are ± one standard deviation over the folds" if folds else ""
    st.caption(f"A trial counts with its best epoch by validation accuracy{bars}.")


def _curves(lesson: Lesson, progress: Progress, table: bool) -> None:
    """How the published model learned, and which epoch of it was kept."""
    title, words = lesson_charts.describe_curves(progress, lesson)
    st.markdown(f"**{title}**")
    if progress.chosen is not None:
        st.caption(plain(f"{lesson_charts.describe_choice(progress.chosen)} {words}"))
    kept = lesson_charts.kept_epoch(progress, lesson)
    curves.learning_curves(progress.curves, "run", table=table, kept=kept)


def _measured(lesson: Lesson, progress: Progress, table: bool) -> None:
    """What the published model takes for what: of the pictures that it learned from, and of those that count."""
    told = progress.curves
    if told.finished is None or told.data is None:
        return
    title, words = lesson_charts.describe_measured(progress, lesson)
    metrics, training = told.finished["metrics"], told.finished.get("training")
    with st.grid(2, min_column_width=320):
        if training is not None:  # lessons that were given before it was kept
            with st.container():
                st.markdown("**What it learned from**")
                st.caption("These it has seen: how well it does on them says little about others.")
                curves.matrix(training["confusion"], told.data["classes"], "training", "run_training", table=table)
        with st.container():
            st.markdown(f"**{title}**")
            if words:
                st.caption(words)
            curves.matrix(metrics["confusion"], told.data["classes"], metrics["set"], "run", table=table)


def _preview(job: Job, lesson: Lesson, progress: Progress, state: str) -> None:
    """Any picture, and what the newest head says of it; while it trains the bars move."""
    # Before the first features the network may still have to be fetched, and a page does not wait for that.
    if not progress.features or progress.curves.data is None or state not in {"running", "finished"}:
        return
    changed = progress.tuned is None or progress.tuned.kept
    if lesson.unfreeze and state == "finished" and changed:
        return  # its backbone is no longer the published one; Compare asks the whole network
    with st.container(border=True, gap="small"):
        st.markdown("**What does it say by now?**" if state == "running" else "**What does it say?**")
        left, right = st.columns([1, 2])
        with left:
            shown = _picture()
        if shown is None:
            moves = "; the answer moves while the head learns" if state == "running" else ""
            right.caption(f"Drop a picture, or take a sample{moves}.")
            return
        with right:
            _answer(job, lesson, progress, shown)


def _answer(job: Job, lesson: Lesson, progress: Progress, shown: Shown) -> None:
    classes = [str(label) for label in (progress.curves.data or {})["classes"]]
    row = lesson.backbone_row()
    try:
        key = (shown.image.sha256, row.name)
        kept = st.session_state.get("preview_features")
        if kept is None or kept[0] != key:
            pixels = frame(shown.image, row.input_size, row.crop_fraction)
            features, _ = resources.pool().predict(row, pixels[None])
            kept = st.session_state["preview_features"] = (key, features)
        found = lessons.preview(job, kept[1])
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    if found is None:
        st.caption("Its first head is still to come.")
        return
    lines = lesson_charts.preview_lines(found[0], classes)
    words = lesson_charts.describe_preview(lines)
    st.vega_lite_chart(lesson_charts.preview_chart(lines), theme=None, alt=f"The head says: {words}", key="run_preview")
    st.caption(plain(words))
    if lesson.unfreeze and progress.curves.epochs and progress.curves.finished is None:
        st.caption("This is the head before the network's last layers began to learn with it.")


def _picture() -> Shown | None:
    """The picture to ask about: dropped here, a sample, or the one that is looked at on Compare."""
    file = st.file_uploader(
        "A picture to try",
        key=chutes.key_of("preview"),
        max_upload_size=max(1, resources.settings().max_upload_bytes // MIB),
        label_visibility="collapsed",
    )
    if file is not None and (refusal := _take(file)) is not None:
        st.error(plain(refusal), icon=":material/broken_image:")
    box = st.popover("Samples", icon=":material/photo_library:", type="tertiary", key="preview_box", on_change="rerun")
    if box.open:  # else they would be sent with each look
        tiles = [
            Tile(sample.file, f"{sample.title}: {sample.alt}", resources.sample_thumbnail(sample.file))
            for sample in samples.get_samples()
        ]
        with box:
            strip("Sample pictures", tiles, key="preview_samples", on_pick=_take_sample)
    shown: Shown | None = st.session_state.get("preview_picture")
    if shown is None and (current := pictures.current()) is not None:
        shown = Shown(current.name, current.image)
    if shown is not None:
        st.image(
            resources.thumbnail(shown.image.sha256, PREVIEW_SIDE_PX, shown.image),
            width="stretch",
            alt=f"The picture that the head looks at: {shown.name}",
        )
    return shown


def _take(file: UploadedFile) -> str | None:
    """Make the dropped picture the one that is asked about, once; the sentence if it cannot be used."""
    # The page looks each second while a head learns, and the file stays in the uploader.
    taken: tuple[str, str | None] | None = st.session_state.get("preview_taken")
    if taken is None or taken[0] != file.file_id:
        refusal = None
        try:
            image = images.decode(file.getvalue(), max_bytes=resources.settings().max_upload_bytes, name=file.name)
            st.session_state["preview_picture"] = Shown(file.name, image)
        except ImgrecError as error:
            refusal = str(error)
        taken = st.session_state["preview_taken"] = (file.file_id, refusal)
    return taken[1]


def _take_sample(file: str) -> None:
    sample = samples.get_sample(file)
    data = samples.read(sample)
    st.session_state["preview_picture"] = Shown(sample.title, images.decode(data, max_bytes=len(data)))
    # What was dropped before must not come back.
    dropped: UploadedFile | None = st.session_state.get(chutes.key_of("preview"))
    chutes.empty("preview", [dropped] if dropped is not None else [])
