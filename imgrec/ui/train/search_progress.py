"""Hyperparameter searches: the state, charts and table of the chosen one, live, and the training of its best trial."""

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

from imgrec import extras, jobs
from imgrec.charts import hyperparameter_search, parallel_coordinates
from imgrec.jobs import Job
from imgrec.training import run_summary, search_job, training_job
from imgrec.training.search_job import Search
from imgrec.training.search_spaces import Hyperparameter, words
from imgrec.ui import caches
from imgrec.ui.elements import download, errors_shown
from imgrec.ui.markdown import plain
from imgrec.ui.train import runs
from imgrec.ui.train.form_fields import choose_next
from imgrec.ui.widget_keys import key_of

# How often an active search is read: trials take minutes, and each time the charts are drawn again.
POLL_S = 2.0


def search_list(*, table: bool = False) -> None:
    """Show the chosen search of this machine, live; `table`: figures instead of charts."""
    found = jobs.all_jobs(caches.settings(), search_job.WORKER)
    if not found:
        st.info(
            "No search yet. A search trains one network with many hyperparameter settings for a few epochs each. It "
            "continues when you close this page.",
            icon=":material/travel_explore:",
        )
        return
    job = runs.chooser("Search", found, "search")
    is_active = job.state in runs.ACTIVE
    st.fragment(_watch, run_every=POLL_S if is_active else None)(job, is_active, table)


def _watch(job: Job, was_active: bool, table: bool) -> None:
    state = job.state
    if was_active and state not in runs.ACTIVE:
        st.rerun()
    search = search_job.read(job)
    with st.container(border=True, key="search_panel"), errors_shown():
        runs.state_line(state, run_summary.status(search, state))
        if was_active and search.plan is not None:
            st.progress(min(1.0, (len(search.finished) + len(search.failed)) / search.plan.trials))
        runs.ending(job, state)
        if search.best is not None:
            st.markdown(f"**{plain(run_summary.outcome(search))}**")
        if search.handed_on is not None:
            st.success(
                f"Training the best model as **{plain(search.handed_on.model)}**; see Train from scratch.",
                icon=":material/model_training:",
            )
        _buttons(job, state, search)
        if search.best is not None and not table:
            _charts(job, search)
        if search.trials:
            _table(job, search)


def _charts(job: Job, search: Search) -> None:
    hyperparameters = search_job.hyperparameters_of(job)
    theme = f"theme.{st.context.theme.type or 'light'}"
    ink, paper = (str(st.get_option(f"{theme}.{color}")) for color in ("textColor", "backgroundColor"))
    with errors_shown():
        extras.check("train", "to draw all trials")
        st.plotly_chart(
            parallel_coordinates.figure_of(search, hyperparameters, ink=ink, paper=paper),
            theme=None,
            alt=parallel_coordinates.describe_parallel(search, hyperparameters),
            key=key_of("search_lines", job.name),
            config={"displayModeBar": False},
        )
        st.caption("One line per trial, the best orange. Drag along an axis to filter trials, double-click to reset.")
    sizes = hyperparameter_search.describe_size(search)
    if hyperparameter_search.has_sizes(search):
        chart = hyperparameter_search.size_chart(search)
        st.vega_lite_chart(chart, theme=None, alt=sizes, key=key_of("search_sizes", job.name))
    st.caption(sizes)


def _table(job: Job, search: Search) -> None:
    """Show every trial in a table, and the downloads of it."""
    hyperparameters = search_job.hyperparameters_of(job)
    rows = table_rows(search, hyperparameters)
    # Streamlit would round a learning rate to four decimals.
    fine = [words(one.name).capitalize() for one in hyperparameters if one.count is None]
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
        download("Trials as CSV", to_csv(rows), f"{job.name}.csv", "text/csv", key="search_csv")
        if search.best is not None and not extras.missing("train"):
            download(
                "Interactive chart (HTML)",
                lambda: parallel_coordinates.brushable_page(search, hyperparameters, job.title),
                f"{job.name}.html",
                "text/html",
                key="search_page",
                help="A standalone page (5 MB): drag along an axis to filter trials.",
            )


def table_rows(search: Search, varied: Sequence[Hyperparameter]) -> list[dict[str, Any]]:
    """Return one row a trial, in the order in which they were tried; what is not known yet is None."""
    best = search.best
    return [
        {
            "Trial": trial.number,
            "State": "best" if trial is best else trial.state,
            "Validation accuracy": trial.accuracy,
            "Parameters": trial.parameters,
            **{words(one.name).capitalize(): trial.values.get(one.name) for one in varied},
            "Epochs": trial.epochs[-1].epoch if trial.epochs else 0,
            "Validation loss": trial.loss,
            "Seconds": round(trial.seconds, 1),
            "Remark": trial.reason or "",
        }
        for trial in search.trials
    ]


def to_csv(rows: list[dict[str, Any]]) -> str:
    """Return the table as CSV, with a line of names."""
    import pandas  # slow to import, and loaded by the first table at the latest

    return str(pandas.DataFrame(rows, dtype=object).to_csv(index=False))


def _buttons(job: Job, state: str, search: Search) -> None:
    """Show what can be done: stop, resume, train the best, download its recipe; in a public demo only the last."""
    best = search.best
    with st.container(horizontal=True):
        if not caches.settings().demo:
            if state in runs.ACTIVE:
                st.button("Stop", icon=":material/stop:", key="stop_search", on_click=job.cancel)
            elif state != "finished" and (search.trials or state != "failed"):
                # What failed before its first trial would fail again.
                label = "Resume search" if search.trials else "Restart search"
                if st.button(label, icon=":material/resume:", key="resume_search"):
                    with errors_shown():
                        training_job.resume(job)
                        st.rerun()
            elif best is not None and search.handed_on is None:
                about = (
                    f"{search_job.recipe_of(job, best).epochs} epochs from scratch. The model is added to the catalog."
                )
                if st.button("Train the best model", icon=":material/play_arrow:", key="train_best", help=about):
                    with errors_shown():
                        run = search_job.train_best(job, best, caches.settings())
                        choose_next("run", run.name)
                        words = f"Training started: {plain(run.title)}. See Train from scratch."
                        st.success(words, icon=":material/model_training:")
        if best is not None:
            recipe = search_job.recipe_of(job, best)
            text = json.dumps(recipe.to_dict(), indent=2)
            download("Best recipe (JSON)", text, f"{recipe.name}.json", "application/json", key="search_recipe")
