"""Runs: the chosen one is shown live, the other active ones in a line each. Only run folders are read."""

from collections.abc import Sequence
from typing import Any, Literal

import streamlit as st

from imgrec import jobs
from imgrec.export.bundle import without_paths
from imgrec.jobs import Job
from imgrec.training import run_summary, search_job, training_job, transfer_job
from imgrec.training.events import Queued, read
from imgrec.training.log_builder import log_of
from imgrec.training.recipes import Recipe
from imgrec.training.training_job import Curves
from imgrec.training.transfer_job import Progress
from imgrec.ui import caches
from imgrec.ui.elements import errors_shown
from imgrec.ui.markdown import plain
from imgrec.ui.train import run_charts
from imgrec.ui.train.form_fields import choose_next, keep_choice
from imgrec.ui.train.training_logs import log_button
from imgrec.ui.train.transfer_progress import finished, transfer_view
from imgrec.ui.widget_keys import key_of

# How often an active run is read.
POLL_S = 1.0

ACTIVE = frozenset({"queued", "running"})

# The icon and the name of each state on screens; stored states keep their spelling.
STATES = {
    "queued": (":material/hourglass:", "Queued"),
    "running": (":material/model_training:", "Running"),
    "finished": (":material/check_circle:", "Finished"),
    "failed": (":material/error:", "Failed"),
    "cancelled": (":material/stop_circle:", "Canceled"),
    "interrupted": (":material/power_off:", "Interrupted"),
}


def run_list(*, table: bool) -> str | None:
    """Show the chosen run of this machine, live; return the model whose charts it shows."""
    caches.renew_catalog()  # what the command line has trained meanwhile
    found = [
        job for job in jobs.all_jobs(caches.settings()) if job.module in {training_job.WORKER, transfer_job.WORKER}
    ]
    if not found:
        _nothing_yet()
        return None
    job = chooser("Run", found, "run", bind="query-params")
    others = [other for other in found if other.name != job.name and other.state in ACTIVE]
    is_active = job.state in ACTIVE
    shown: str | None = st.fragment(_watch, run_every=POLL_S if is_active else None)(job, others, is_active, table)
    return shown


def chooser(label: str, found: Sequence[Job], key: str, *, bind: Literal["query-params"] | None = None) -> Job:
    """Return the chosen one of the jobs `found`, which are listed newest first with the time of their start.

    A number tells those of the same second apart: of two equal titles a list shows only one.
    """
    titles = [f"{job.title.removeprefix(search_job.TITLE)} ({job.created_at[:19].replace('T', ' ')})" for job in found]
    numbers = [titles[i + 1 :].count(title) for i, title in enumerate(titles)]
    names = {
        job.name: title + (f" · {number + 1}" if number else "")
        for job, title, number in zip(found, titles, numbers, strict=True)
    }
    keep_choice(key, list(names))
    name = st.selectbox(label, list(names), format_func=lambda name: names.get(name, str(name)), key=key, bind=bind)
    return next((job for job in found if job.name == name), found[0])


def state_line(state: str, words: str) -> None:
    """Show the state of a job, and `words` about it."""
    icon, title = STATES[state]
    st.markdown(f"{icon} **{title}**" + (f" :gray[{plain(words)}]" if words else ""))


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


def _watch(job: Job, others: Sequence[Job], was_active: bool, table: bool) -> str | None:
    """Show one run and the other active ones; return its model."""
    state = job.state
    events = job.progress()[0]  # read once for all that is shown: the log of a long run has thousands of lines
    run = run_summary.read(job, events)
    progress, told = (run, run.curves) if isinstance(run, Progress) else (None, run)
    model = None if told.finished is None else told.finished.name
    if was_active and state not in ACTIVE:
        caches.renew_catalog()
        if model is not None:
            choose_next("trained", model)
        st.rerun()
    # A `job.json` that was changed by hand ends in a sentence, as far as it is needed.
    with st.container(border=True, key="run_panel"), errors_shown():
        # The outcome of a finished run stands below.
        state_line(state, "" if state == "finished" else _status(job, state, events))
        ending(job, state)
        for other in others:  # active runs take turns when memory or cores do not suffice for all at once
            if (other_state := other.state) in ACTIVE:
                words = plain(_status(other, other_state, other.progress()[0]))
                st.markdown(f":small[{STATES[other_state][0]} {plain(other.title)} :gray[{words}]]")
        if told.data is not None and told.data.left_out:
            with st.expander(f"Skipped files: {told.data.left_out:,}", icon=":material/warning:"):
                st.markdown("\n".join(f"- {plain(note)}" for note in told.data.notes))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if not caches.settings().demo:
                _buttons(job, state)
            if told.epochs:
                log_button(log_of(told, job.title), "run_log")
        if progress is not None:
            transfer_view(job, progress, state, is_active=was_active, table=table)
        else:
            _training(told, was_active, table)
    return model


def _training(told: Curves, was_active: bool, table: bool) -> None:
    """Show progress, curves and the latest confusion matrix of a training from scratch."""
    if was_active and told.plan is not None:
        st.progress(run_summary.share_done(told))
    if told.finished is not None:
        finished(told.finished.name, run_summary.outcome(told), told.finished.metrics)
    if told.steps or told.epochs:
        run_charts.learning_curves(told, "run", table=table)
    if told.epochs and told.data is not None:
        st.markdown(f"**After epoch {told.epochs[-1].epoch}**")
        run_charts.matrix(told.epochs[-1].confusion, told.data.classes, "validation", "run", table=table)


def _status(job: Job, state: str, events: Sequence[dict[str, Any]]) -> str:
    if state == "queued":
        behind = next((event.behind for event in reversed(list(read(events))) if isinstance(event, Queued)), [])
        return f"queued behind {', '.join(behind)}" if behind else "queued"
    return run_summary.status(run_summary.read(job, events), state)


def ending(job: Job, state: str) -> None:
    """Show why a job ended before it was finished."""
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
    """Show the button that stops an active run, or resumes a stopped one."""
    if state in ACTIVE:
        st.button("Stop", icon=":material/stop:", key="stop_run", on_click=job.cancel)
        return
    if state == "finished":
        return
    rate = None
    if job.module == training_job.WORKER:
        rate = st.number_input(
            "Learning rate (peak)",
            0.0,
            value=Recipe.from_dict(job.configuration["recipe"]).optimizer.learning_rate,
            format="%g",
            key=key_of("resume_rate", job.name),
            help="Used from here on. Reduce it if the loss became NaN.",
            width=240,
        )
    if st.button("Resume from checkpoint", icon=":material/resume:", key="resume_run"):
        with errors_shown():
            training_job.resume(job, learning_rate=rate)
            st.rerun()
