"""The committed searches of the printed spaces: each trial lies in its space, and the winner is the best of the log."""

import json
import shutil
from pathlib import Path

import pytest

from imgrec.jobs import Job
from imgrec.settings import ASSETS
from imgrec.training import search_job
from imgrec.training.search_spaces import SPACES

FOLDER = ASSETS / "protocols"
TABLE = FOLDER / "searches.json"


@pytest.mark.skipif(not TABLE.exists(), reason="python -m bench.searches was not run yet")
@pytest.mark.parametrize("name", SPACES)
def test_a_committed_search_is_that_of_its_log(name: str, tmp_path: Path) -> None:
    table = json.loads(TABLE.read_text())
    rows = [row for row in table["rows"] if row[0] == name]
    *trials, printed = rows
    assert printed[1] == "printed winner"
    assert trials
    for row in rows:
        for parameter, value in zip(SPACES[name].hyperparameters, row[2:], strict=False):
            assert int(value) in parameter.values
    shutil.copyfile(FOLDER / f"search_{name}.jsonl", tmp_path / "progress.jsonl")
    search = search_job.read(Job(tmp_path))
    assert search.plan is not None
    assert search.plan.trials == len(search.finished) == len(trials)
    assert [row[-2] for row in trials] == [f"{trial.accuracy:.4f}" for trial in search.trials]
    assert search.best is not None
    assert [row[1] for row in trials if "best" in row[1]] == [f"{search.best.number} (best)"]
