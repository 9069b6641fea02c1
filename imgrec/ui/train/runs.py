"""Runs: all that are under way, and the one that is looked at, live. Everything here only reads run folders."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from imgrec import jobs
from imgrec.errors import ImgrecError
from imgrec.export.bundle import without_paths
from imgrec.jobs import Job
from imgrec.training import summary, training_job, transfer_job
from imgrec.training.events import Queued, read
from imgrec.training.recipes import Recipe
from imgrec.training.training_job import Curves
from imgrec.ui import caches
from imgrec.ui.markdown import plain
from imgrec.ui.models import trained_models
from imgrec.ui.train import curves
from imgrec.ui.train.transfer_progress import finished, lesson_view

# How often a running run is looked at.
POLL_S = 1.0

MOVING = frozenset({"queued", "running"})

ICONS = {
    "queued": ":material/hourglass:",
    "running": ":material/model_training:",
    "finished": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/stop_circle:",
    "interrupted": ":material/power_off:",
}


# As screens say it; the stored states keep their names.
TITLES = {state: state.capitalize() for state in ICONS} | {"cancelled": "Canceled"}


def look_at(name: str) -> None:
    """Choose the run called `name`, before its list is drawn the next time."""
    st.session_state["run_wanted"] = name


def titles_of(found: Sequence[Job]) -> dict[str, str]:
    """Name → title and when it began, in the order of `found`, newest first; a number tells those of one second apart.

    A list that has one title twice shows only one of the two.
    """
    said = [f"{job.title} ({job.created_at[:19].replace('T', ' ')})" for job in found]
    older = [said[i + 1 :].count(title) for i, title in enumerate(said)]
    return {
        job.name: title + (f" · {count + 1}" if count else "")
        for job, title, count in zip(found, said, older, strict=True)
    }


def run_list(*, table: bool) -> str | None:
    """Every run of this machine, newest first; the chosen one is shown live. Return the model whose charts it shows."""
    caches.renew_catalog()  # what the command line has trained meanwhile
    found = [
        job for job in jobs.all_jobs(caches.settings()) if job.module in {training_job.WORKER, transfer_job.WORKER}
    ]
    if not found:
        _nothing_yet()
        return None
    titles = titles_of(found)
    if (wanted := st.session_state.pop("run_wanted", None)) in titles:
        st.session_state["run"] = wanted
    elif st.session_state.get("run", found[0].name) not in titles:
        del st.session_state["run"]
    name = st.selectbox(
        "Run",
        list(titles),
        format_func=lambda name: titles.get(name, str(name)),
        key="run",
        bind="query-params",
    )
    job = next((job for job in found if job.name == name), found[0])
    others = [other for other in found if other.name != job.name and other.state in MOVING]
    moving = job.state in MOVING
    shown: str | None = st.fragment(_watch, run_every=POLL_S if moving else None)(job, others, moving, table)
    return shown


def _nothing_yet() -> None:
    with st.container(border=True):
        st.markdown(
            "**No runs yet**\n"
            "1. **Add images.** A few dozen per class to fine-tune, thousands to train from scratch.\n"
            "2. **Start training.** The pretrained network extracts features once per image; a classifier is trained "
            "on them in seconds. You can try the model while it trains.\n"
            "3. **Use it.** The model is added to the catalog: Compare, Ensemble, API, command line, or export.\n\n"
            ":material/shield: A run continues when you close this page."
        )


def _watch(job: Job, others: Sequence[Job], was_moving: bool, table: bool) -> str | None:
    """One run: state, line of figures, all that it has told, its buttons, and the other runs. Return its model."""
    state = job.state
    events = job.progress()[0]  # read once for all that is shown: the log of a long run has thousands of lines
    progress = transfer_job.progress_in(events) if job.module == transfer_job.WORKER else None
    told = training_job.curves_in(events) if progress is None else progress.curves
    if was_moving and state not in MOVING:
        caches.renew_catalog()
        if told.finished is not None:
            trained_models.look_at(str(told.finished.name))
        st.rerun()
    with st.container(border=True, key="run_panel"):
        # What came of a finished run stands below.
        words = "" if state == "finished" else f" :gray[{plain(_status(job, state, events))}]"
        st.markdown(f"{ICONS[state]} **{TITLES[state]}**{words}")
        ending(job, state)
        _queue(others)
        _left_out(told)
        _buttons(job, state)
        if progress is not None:
            lesson_view(job, progress, state, moving=was_moving, table=table)
        else:
            _training(told, was_moving, table)
    return None if told.finished is None else str(told.finished.name)


def _training(told: Curves, was_moving: bool, table: bool) -> None:
    """Progress, curves and the confusion matrix after the last epoch of a network that learns from scratch."""
    if was_moving and told.plan is not None:
        st.progress(summary.share_done(told))
    if told.finished is not None:
        finished(str(told.finished.name), summary.outcome(told), told.finished.metrics)
    if told.steps or told.epochs:
        curves.learning_curves(told, "run", table=table)
    if told.epochs and told.data is not None:
        st.markdown(f"**After epoch {told.epochs[-1].epoch}**")
        curves.matrix(told.epochs[-1].confusion or [], told.data.classes, "validation", "run", table=table)


def _queue(others: Sequence[Job]) -> None:
    """Return the other active runs: they take turns when memory or cores do not suffice for all at once."""
    for other in others:
        state = other.state
        if state in MOVING:
            words = plain(_status(other, state, other.progress()[0]))
            st.markdown(f":small[{ICONS[state]} {plain(other.title)} :gray[{words}]]")


def _status(job: Job, state: str, events: Sequence[dict[str, Any]]) -> str:
    if state == "queued":
        told = [event for event in read(events) if isinstance(event, Queued)]
        behind = told[-1].behind if told else []
        return f"queued behind {', '.join(behind)}" if behind else "queued"
    if job.module == transfer_job.WORKER:
        return summary.status(transfer_job.progress_in(events), state)
    return summary.status(training_job.curves_in(events), state)


def ending(job: Job, state: str) -> None:
    """Why a run ended before it was finished."""
    if (error := job.error) is not None:
        # Visitors of a public demo need not know how its folders are called.
        shown = without_paths(error) if caches.settings().demo else error
        st.error(plain(shown), icon=":material/error:")
    if state == "interrupted":
        st.warning(
            "The training process ended unexpectedly: it was killed, or the machine was shut down. "
            "Resume from the last checkpoint.",
            icon=":material/power_off:",
        )


def _buttons(job: Job, state: str) -> None:
    """Stop an active run, resume a stopped one; neither in a public demo."""
    if caches.settings().demo:
        return
    if state in MOVING:
        st.button("Stop", icon=":material/stop:", key="stop_run", on_click=job.cancel)
        return
    if state == "finished":
        return
    rate = None
    if job.module == training_job.WORKER:
        recipe = Recipe.from_dict(job.configuration["recipe"])
        rate = st.number_input(
            "Learning rate (peak)",
            0.0,
            value=recipe.optimizer.learning_rate,
            format="%g",
            key=f"resume_rate_{job.name}",
            help="Used from here on. Reduce it if the loss became NaN.",
            width=240,
        )
    if st.button("Resume from checkpoint", icon=":material/resume:", key="resume_run"):
        try:
            if rate is None:
                job.resume()
            else:
                training_job.resume(job, learning_rate=rate)
        except ImgrecError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            st.rerun()


def _left_out(told: Curves) -> None:
    if told.data is None or not told.data.left_out:
        return
    with st.expander(f"Skipped files: {told.data.left_out:,}", icon=":material/warning:"):
        for note in told.data.notes:
            st.markdown(f"- {plain(note)}")
