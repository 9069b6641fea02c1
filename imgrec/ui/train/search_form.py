"""Searches: what to vary and between which values, and each search while it grows. It only looks at run folders."""

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

from imgrec import jobs
from imgrec.charts import hyperparameter_search, parallel_coordinates
from imgrec.errors import ImgrecError
from imgrec.jobs import Job
from imgrec.training import search_job, summary
from imgrec.training.recipes import MAX_EPOCHS, RECIPES
from imgrec.training.search_job import MAX_TRIALS, METHODS, Search, Trial
from imgrec.training.search_spaces import SPACES, Knob, Space, get_space, words
from imgrec.ui import caches
from imgrec.ui.markdown import plain
from imgrec.ui.train.runs import ICONS, MOVING, TITLES, ending, look_at, titles_of
from imgrec.ui.train.scratch_form import is_sound

# How often a search that moves is looked at: trials take minutes, and each look draws charts anew.
POLL_S = 2.0

TRIALS = 10

OWN_DATA = "My folder or file"


def tuning_panel(*, table: bool = False) -> None:
    """Everything about searches: a new one on the left, those of this machine on the right.

    `table`: figures instead of charts.
    """
    left, right = st.columns([2, 3], gap="large")
    with left:
        space_panel()
    with right:
        search_list(table=table)


def space_panel() -> None:
    """Everything that is chosen before a search begins."""
    space, is_meant = _space_chooser()
    data = _data_chooser(space)
    _starter(space, data, is_sound(RECIPES[space.recipe], data) and is_meant)


def _space_chooser() -> tuple[Space, bool]:
    """Return what is varied, with the visitor's ranges; as it was, and False, where they cannot be meant."""
    names = [*SPACES, *RECIPES]
    name = st.selectbox("Search space", names, format_func=_space_title, key="space")
    space = get_space(name)
    st.caption(space.about)
    with st.expander("Hyperparameter ranges", icon=":material/tune:"):
        st.caption("`low:high`, `low:high:step`, `low:high:log`, or `a,b,c`.")
        texts = [_range_input(knob, name) for knob in space.knobs]
        is_meant = True
        try:
            space = space.varied([text for text in texts if text])
        except ImgrecError as error:
            is_meant = False
            st.error(plain(str(error)), icon=":material/error:")
    count = "Unlimited" if space.count is None else f"{space.count:,}"
    about = "  \n".join(knob.in_words.capitalize() for knob in space.knobs)
    if space.printed:
        about += (
            f"\n\nPublished result of this search: {summary.in_words(dict(space.printed))} "
            f"({RECIPES[space.recipe].parameters:,} parameters)."
        )
    st.caption(f"{count} combinations.", help=about)
    return space, is_meant


def _range_input(knob: Knob, space: str) -> str:
    """`knob` as text that can be changed; empty while it stands as it was."""
    before = str(knob).partition("=")[2]
    text = st.text_input(words(knob.name).capitalize(), before, key=f"range_{space}_{knob.name}").strip()
    return "" if text == before else f"{knob.name}={text}"


def _data_chooser(space: Space) -> str:
    """Return the name of a known set, or a path on this machine; empty while none is given."""
    known = RECIPES[space.recipe].dataset
    choice = st.selectbox("Dataset", [*([known] if known else []), OWN_DATA], key=f"tune_data_{space.name}")
    if choice != OWN_DATA:
        return str(choice)
    return st.text_input(
        "Path",
        placeholder="/home/me/images",
        help="A folder with one subfolder per class, a zip or tar of one, or an .npz file.",
        key="tune_path",
    ).strip()


def _starter(space: Space, data: str, can_start: bool) -> None:
    """How long and in which way, and the button that starts a search, or the sentence when it cannot be."""
    if caches.settings().demo:
        st.info(
            "Training is disabled in this public demo. Run imgrec on your own machine to search.",
            icon=":material/lock:",
        )
        return
    method = st.selectbox(
        "Search method",
        list(METHODS),
        format_func=str.capitalize,
        key="tune_method",
        help="  \n".join(f"**{name.capitalize()}**: {about}" for name, about in METHODS.items()),
    )
    left, right = st.columns(2)
    trials = left.number_input("Trials", 1, MAX_TRIALS, TRIALS, key="tune_trials")
    epochs = right.number_input("Epochs per trial", 1, MAX_EPOCHS, space.epochs, key=f"tune_epochs_{space.name}")
    train_best = st.checkbox(
        "Train the best model afterwards",
        key="tune_train_best",
        help=f"For {RECIPES[space.recipe].epochs} epochs. The model is added to the catalog.",
    )
    if not st.button(
        "Start search",
        type="primary",
        icon=":material/travel_explore:",
        disabled=not can_start,
        key="start_search",
    ):
        return
    try:
        job = search_job.start(
            space,
            data,
            caches.settings(),
            trials=int(trials),
            epochs=int(epochs),
            method=method,
            train_best=train_best,
        )
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/error:")
    else:
        st.session_state["search_wanted"] = job.name
        st.rerun()


def search_list(*, table: bool = False) -> None:
    """Every search of this machine, newest first; the chosen one is shown live."""
    found = jobs.all_jobs(caches.settings(), search_job.WORKER)
    if not found:
        st.info(
            "No search yet. A search trains one network with many hyperparameter settings for a few epochs each. It "
            "continues when you close this page.",
            icon=":material/travel_explore:",
        )
        return
    names = [job.name for job in found]
    titles = {name: title.removeprefix(search_job.TITLE) for name, title in titles_of(found).items()}
    wanted = st.session_state.pop("search_wanted", None) or st.session_state.get("search")
    st.session_state["search"] = wanted if wanted in names else names[0]
    name = st.selectbox("Search", names, format_func=lambda name: titles.get(name, str(name)), key="search")
    job = next(job for job in found if job.name == name)
    moving = job.state in MOVING
    st.fragment(_watch, run_every=POLL_S if moving else None)(job, moving, table)


def _watch(job: Job, was_moving: bool, table: bool) -> None:
    """One search: state, trial i of N, what is best so far, charts and table, and what can be done."""
    state = job.state
    if was_moving and state not in MOVING:
        st.rerun()
    search = search_job.read(job)
    with st.container(border=True, key="search_panel"):
        st.markdown(f"{ICONS[state]} **{TITLES[state]}** :gray[{plain(summary.status(search, state))}]")
        if was_moving and search.plan is not None:
            st.progress(min(1.0, (len(search.finished) + len(search.failed)) / search.plan["trials"]))
        ending(job, state)
        if search.finished:
            st.markdown(f"**{plain(summary.outcome(search))}**")
        if search.handed_on is not None:
            st.success(
                f"Training the best model as **{plain(search.handed_on['model'])}**; see Train from scratch.",
                icon=":material/model_training:",
            )
        _buttons(job, state, search)
        if search.finished and not table:
            _charts(job, search)
        if search.trials:
            _table(job, search)


def _charts(job: Job, search: Search) -> None:
    knobs = search_job.knobs_of(job)
    words = parallel_coordinates.describe_parallel(search, knobs)
    theme = f"theme.{st.context.theme.type or 'light'}"
    ink, paper = (str(st.get_option(f"{theme}.{color}")) for color in ("textColor", "backgroundColor"))
    drawing = parallel_coordinates.figure_of(search, knobs, ink=ink, paper=paper)
    st.plotly_chart(drawing, theme=None, alt=words, key=f"search_lines_{job.name}", config={"displayModeBar": False})
    st.caption("One line per trial, the best one orange. Drag along an axis to filter trials, double-click to reset.")
    words = hyperparameter_search.describe_size(search)
    if hyperparameter_search.has_sizes(search):
        st.vega_lite_chart(
            hyperparameter_search.size_chart(search), theme=None, alt=words, key=f"search_sizes_{job.name}"
        )
    st.caption(words)


def _table(job: Job, search: Search) -> None:
    knobs = search_job.knobs_of(job)
    rows = table_rows(search, knobs)
    # Streamlit would cut a learning rate to four decimals.
    fine = [_heading(knob) for knob in knobs if knob.count is None]
    st.dataframe(
        rows,
        hide_index=True,
        alt="Every trial with its settings, parameters, accuracy and loss",
        column_config={name: st.column_config.NumberColumn(format="%.3g") for name in fine}
        | {
            "State": st.column_config.TextColumn(width=80),
            "Parameters": st.column_config.NumberColumn(format="localized"),
            "Validation accuracy": st.column_config.NumberColumn(format="percent"),
            "Validation loss": st.column_config.NumberColumn(format="%.3f"),
        },
    )
    with st.container(horizontal=True):
        st.download_button(
            "Trials as CSV",
            to_csv(rows),
            f"{job.name}.csv",
            "text/csv",
            key="search_csv",
            icon=":material/download:",
            on_click="ignore",
        )
        if search.finished:
            st.download_button(
                "Interactive chart (HTML)",
                lambda: parallel_coordinates.brushable_page(search, knobs, job.title),
                f"{job.name}.html",
                "text/html",
                key="search_page",
                help="A standalone page (5 MB): drag along an axis to filter trials.",
                icon=":material/download:",
                on_click="ignore",
            )


def table_rows(search: Search, varied: Sequence[Knob]) -> list[dict[str, Any]]:
    """Return one row a trial, in the order in which they were tried; what is not known yet is None."""
    best = search.best
    return [
        {
            "Trial": trial.number,
            "State": "best" if trial is best else trial.state,
            "Validation accuracy": trial.accuracy,
            "Parameters": trial.parameters,
            **{_heading(one): trial.values.get(one.name) for one in varied},
            "Epochs": trial.epochs[-1]["epoch"] if trial.epochs else 0,
            "Validation loss": trial.loss,
            "Seconds": round(trial.seconds, 1),
            "Remark": trial.reason or "",
        }
        for trial in search.trials
    ]


def _heading(hyperparameter: Knob) -> str:
    """Return the name of a hyperparameter's column in the table."""
    return words(hyperparameter.name).capitalize()


def to_csv(rows: list[dict[str, Any]]) -> str:
    """Return the table as CSV, with a line of names."""
    import pandas  # slow to import, and loaded by the first table at the latest

    return str(pandas.DataFrame(rows, dtype=object).to_csv(index=False))


def _buttons(job: Job, state: str, search: Search) -> None:
    """Stop, go on; and of what was found: train it, or take its recipe away. Visitors of a demo only look."""
    with st.container(horizontal=True):
        if not caches.settings().demo:
            if state in MOVING:
                st.button("Stop", icon=":material/stop:", key="stop_search", on_click=job.cancel)
            elif state != "finished" and (search.trials or state != "failed"):
                # What failed before its first trial would fail again.
                _go_on(job, "Resume search" if search.trials else "Restart search")
            elif search.best is not None and search.handed_on is None:
                _train(job, search.best)
        if (best := search.best) is not None:
            recipe = search_job.recipe_of(job, best)
            st.download_button(
                "Best recipe (JSON)",
                json.dumps(recipe.to_dict(), indent=2),
                f"{recipe.name}.json",
                "application/json",
                key="search_recipe",
                icon=":material/download:",
                on_click="ignore",
            )


def _go_on(job: Job, words: str) -> None:
    if not st.button(words, icon=":material/resume:", key="resume_search"):
        return
    try:
        job.resume()
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/error:")
    else:
        st.rerun()


def _train(job: Job, best: Trial) -> None:
    clicked = st.button(
        "Train the best model",
        icon=":material/play_arrow:",
        key="train_best",
        help=f"{search_job.recipe_of(job, best).epochs} epochs from scratch. The model is added to the catalog.",
    )
    if not clicked:
        return
    try:
        run = search_job.train_best(job, best, caches.settings())
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/error:")
    else:
        look_at(run.name)
        st.success(
            f"Training started: {plain(run.title)}. See Train from scratch.",
            icon=":material/model_training:",
        )


def _space_title(name: str) -> str:
    return get_space(name).title if name in SPACES or name in RECIPES else str(name)
