"""Runs: all that are under way, and the one that is looked at, live. Everything here only reads run folders."""

import streamlit as st

from imgrec import cards, jobs, learning
from imgrec.errors import ImgrecError
from imgrec.jobs import Job
from imgrec.training import runs
from imgrec.training.runs import Curves
from imgrec.ui import curves, resources
from imgrec.ui.wording import plain

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


def look_at(name: str) -> None:
    """Choose the run called `name`, before its list is drawn the next time."""
    st.session_state["run_wanted"] = name


def run_list() -> None:
    """Every run of this machine, newest first; the chosen one is shown live."""
    cards.register(resources.settings())  # what the command line has trained meanwhile
    found = jobs.all_jobs(resources.settings(), runs.WORKER)
    if not found:
        st.info(
            "No run yet. A run goes on when you close this page, and when the server stops.",
            icon=":material/model_training:",
        )
        return
    names = [job.name for job in found]
    titles = {job.name: f"{job.title} ({job.created_at[:16].replace('T', ' ')})" for job in found}
    wanted = st.session_state.pop("run_wanted", None) or st.session_state.get("run")
    st.session_state["run"] = wanted if wanted in names else names[0]
    name = st.selectbox("Run", names, format_func=lambda name: titles.get(name, str(name)), key="run")
    job = next(job for job in found if job.name == name)
    st.fragment(_watch, run_every=POLL_S if job.state in MOVING else None)(job, job.state in MOVING)


def _watch(job: Job, was_moving: bool) -> None:
    """One run: state, line of figures, curves, confusion matrix, and what can be done."""
    state = job.state
    if was_moving and state not in MOVING:
        cards.register(resources.settings())
        st.rerun()
    told = runs.read_curves(job)
    with st.container(border=True, key="run_panel"):
        st.markdown(f"{ICONS[state]} **{state.capitalize()}** :gray[{learning.status(told, state)}]")
        if was_moving and told.plan is not None:
            st.progress(learning.share_done(told))
        ending(job, state)
        if told.finished is not None:
            st.success(
                f"**{told.finished['name']}** is in the catalogue: {learning.outcome(told)}.",
                icon=":material/check_circle:",
            )
        _left_out(told)
        buttons(job, state)
        if told.steps or told.epochs:
            curves.learning_curves(told, "run")
        if told.epochs and told.data is not None:
            st.markdown(f"**After epoch {told.epochs[-1]['epoch']}**")
            curves.matrix(told.epochs[-1]["confusion"], told.data["classes"], "validation", "run")


def ending(job: Job, state: str) -> None:
    """Why a run ended that did not finish."""
    if job.error:
        st.error(plain(job.error), icon=":material/error:")
    if state == "interrupted":
        st.warning(
            "The worker ended without a word: it was killed, or the machine went down. "
            "Everything up to its last checkpoint is kept.",
            icon=":material/power_off:",
        )


def buttons(job: Job, state: str) -> None:
    """Stop a run that moves; go on with one that was stopped."""
    if state in MOVING:
        st.button("Stop", icon=":material/stop:", key="stop_run", on_click=job.cancel)
    elif state != "finished" and st.button(
        "Go on from the last checkpoint", icon=":material/resume:", key="resume_run"
    ):
        try:
            job.resume()
        except ImgrecError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            st.rerun()


def _left_out(told: Curves) -> None:
    if told.data is None or not told.data["left_out"]:
        return
    with st.expander(f"{told.data['left_out']:,} files were left out", icon=":material/warning:"):
        for note in told.data["notes"]:
            st.markdown(f"- {plain(note)}")
