"""The panel of searches: empty, with searches in every state, with ranges that cannot be meant, and in a demo."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from imgrec import jobs
from imgrec.training import search_job
from imgrec.training.recipes import RECIPES
from imgrec.training.search_spaces import SPACES
from imgrec.ui.train import search_progress
from tests.data.quality.test_doctor import make
from tests.training.searches import EVENTS, leave, trial
from tests.ui.conftest import words

BEST_HANDED_ON = {"event": "handed_on", "run": "20260101-mine", "model": "my_<tuned>"}


def panel() -> None:
    from imgrec.ui.train import search_form, search_progress

    search_form.form()
    search_progress.search_list()


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_function(panel, default_timeout=30)


@pytest.fixture
def search(tmp_path: Path) -> Callable[..., None]:
    def leave_one(events: list[dict[str, Any]], end: dict[str, Any] | None) -> None:
        leave(tmp_path / "imgrec" / "runs" / "20260101-000000-000-search", events, end)

    return leave_one


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def start(module: str, configuration: dict[str, Any], *_: Any, **fields: Any) -> jobs.Job:
        found.append(configuration | {"module": module})
        return jobs.Job(Path("nowhere") / fields["title"])

    monkeypatch.setattr(jobs, "start", start)
    return found


def test_an_address_that_was_shared_before_still_leads_here(page: Callable[..., AppTest]) -> None:
    app = page("train.py", learn="Search")
    assert not app.exception
    assert app.selectbox(key="space")
    assert app.button(key="start_search")


def test_empty_offers_every_space_and_says_what_a_search_is(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert len(app.selectbox(key="space").options) == len(SPACES) + len(RECIPES)
    assert "No search yet" in words(app)
    [about] = [caption.help for caption in app.caption if "588 combinations" in caption.value]
    assert "940,458 parameters" in about
    assert "588 combinations" in words(app)


@pytest.mark.parametrize(
    ("events", "end", "said", "buttons"),
    [
        (
            EVENTS,
            {"state": "finished", "error": None},
            ["Finished", "trial 3, validation accuracy 62.5\u202f%"],
            {"train_best"},
        ),
        (
            [*EVENTS, BEST_HANDED_ON],
            {"state": "finished", "error": None},
            ["Training the best model as **my\\_\\<tuned\\>**"],
            set(),
        ),
        (EVENTS, {"state": "cancelled", "error": None}, ["Canceled"], {"resume_search"}),
        ([*EVENTS, *trial(4, 0.002, 16)], None, ["Interrupted", "it was killed", "trial 4 of 5"], {"resume_search"}),
        (EVENTS[:2], {"state": "failed", "error": "Expected images."}, ["Expected images."], set()),
        (EVENTS[:2], {"state": "cancelled", "error": None}, ["Canceled"], {"resume_search"}),
    ],
    ids=["finished", "handed on", "cancelled", "killed", "failed before its first trial", "canceled before it"],
)
def test_a_search_that_has_ended_shows_how(
    app: AppTest,
    search: Callable[..., None],
    events: list[dict[str, Any]],
    end: dict[str, Any] | None,
    said: list[str],
    buttons: set[str],
) -> None:
    search(events, end)
    app.run()
    assert not app.exception
    everything = words(app) + "".join(str(alert.value) for alert in app.success)
    assert all(part in everything for part in said), everything
    charts = [*app.get("plotly_chart"), *app.get("vega_lite_chart")]
    assert len(charts) == (2 if len(events) > 2 else 0)
    assert all(chart.proto.alt for chart in charts)
    assert {"train_best", "resume_search", "stop_search"} & {button.key for button in app.button} == buttons
    if charts:
        assert app.dataframe[0].value["State"].tolist()[:3] == ["finished", "failed", "best"]


def test_a_table_alone_says_all(search: Callable[..., None]) -> None:
    def panel() -> None:
        from imgrec.ui.train import search_progress

        search_progress.search_list(table=True)

    search(EVENTS, {"state": "finished", "error": None})
    app = AppTest.from_function(panel, default_timeout=30).run()
    assert not app.exception
    assert not app.get("vega_lite_chart")
    assert len(app.dataframe[0].value) == 3


def test_a_search_is_started_as_it_was_chosen(app: AppTest, started: list[dict[str, Any]]) -> None:
    app.run()
    app.text_input(key="range_six_layers_conv_1_filter").set_value("64, 80").run()
    app.number_input(key="tune_trials").set_value(4).run()
    app.button(key="start_search").click().run()
    assert not app.exception
    [found] = started
    assert found["module"] == search_job.WORKER
    assert (found["data"], found["trials"], found["knobs"][0]) == ("cifar10", 4, "conv_1_filter=64,80")


def test_the_best_is_trained_on_demand(
    app: AppTest, search: Callable[..., None], started: list[dict[str, Any]]
) -> None:
    search(EVENTS, {"state": "finished", "error": None})
    app.run()
    app.button(key="train_best").click().run()
    assert not app.exception
    assert started[0]["recipe"]["optimiser"]["learning_rate"] == 0.0001


def test_what_cannot_be_meant_gets_a_sentence(app: AppTest) -> None:
    app.run()
    app.text_input(key="range_six_layers_conv_1_filter").set_value("128:32").run()
    assert "Expected a range of conv\\_1\\_filter that rises" in app.error[0].value
    assert app.button(key="start_search").disabled
    app.text_input(key="range_six_layers_conv_1_filter").set_value("32:128:16").run()
    assert not app.error
    app.selectbox(key="tune_data_six_layers").select("My folder or file").run()
    app.text_input(key="tune_path").set_value("/no/such/folder").run()
    assert "dataset" in app.error[0].value
    assert app.button(key="start_search").disabled


def test_searches_begun_at_once_are_told_apart(app: AppTest, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        leave(tmp_path / "imgrec" / "runs" / f"20260101-000000-00{number}-search", EVENTS[:number])
    app.run()
    chosen = app.selectbox(key="search")
    assert chosen.options == [f"mine (2026-01-01 00:00:00){more}" for more in (" · 3", " · 2", "")]
    chosen.select_index(2).run()
    assert app.selectbox(key="search").value == "20260101-000000-001-search"


def test_the_doctor_is_asked_before_a_search(app: AppTest, tmp_path: Path) -> None:
    for name in ("one", "two"):
        make(tmp_path / name, {"cats": 3} if name == "one" else {"cats": 20, "dogs": 20})
    app.run()
    app.selectbox(key="tune_data_six_layers").select("My folder or file").run()
    assert app.button(key="start_search").disabled
    app.text_input(key="tune_path").set_value(str(tmp_path / "one")).run()
    assert "only one, 'cats'" in words(app)
    assert app.button(key="start_search").disabled
    app.text_input(key="tune_path").set_value(str(tmp_path / "two")).run()
    assert not app.exception
    assert not app.button(key="start_search").disabled


def test_a_demo_searches_nothing(app: AppTest, search: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGREC_DEMO", "1")
    search(EVENTS, {"state": "cancelled", "error": None})
    app.run()
    assert not app.exception
    assert "demo" in words(app)
    assert not {"start_search", "resume_search", "train_best"} & {button.key for button in app.button}


def test_the_table_has_every_trial_and_is_the_csv(tmp_path: Path) -> None:
    job = leave(tmp_path / "search", EVENTS)
    rows = search_progress.table_rows(search_job.read(job), search_job.hyperparameters_of(job))
    assert [row["State"] for row in rows] == ["finished", "failed", "best"]
    assert rows[1]["Remark"].startswith("Expected a loss")
    assert rows[2]["Learning rate"] == 0.0001
    read = list(csv.DictReader(io.StringIO(search_progress.to_csv(rows))))
    assert [row["Validation accuracy"] for row in read] == ["0.5", "", "0.625"]
    assert [row["Parameters"] for row in read] == ["1000", "2000", "3000"]
