"""Each row of the five systems: its command is one of the command line, its page is there, its figures are measured."""

import json
import re
import shlex
from typing import Any

import pytest
from typer.main import get_command

from imgrec.cli import app
from imgrec.cli.protocol import PROTOCOLS
from imgrec.evaluation.five_systems import FILE, five_systems
from imgrec.formatting import integer, percent
from imgrec.settings import ASSETS, ROOT
from imgrec.training.recipes import RECIPES

ROWS: list[dict[str, Any]] = [row for system in json.loads(FILE.read_text())["systems"] for row in system["rows"]]
SUMMARY = {
    (row["dataset"], row["model"]): row
    for row in json.loads((ASSETS / "benchmarks" / "summary.json").read_text())["rows"]
}
# A figure that is measured or counted looks like one of these.
FIGURE = re.compile(r"\d{1,3}(?:,\d{3})+(?= parameters)|\d+\.\d %|0\.\d{4,}(?: ± 0\.\d+)?")


def figure(check: dict[str, Any]) -> str:
    """Return the figure that a check names, as it is written."""
    match check["kind"]:
        case "top_1":
            return percent(SUMMARY[check["dataset"], check["model"]]["top_1"]).replace("\u202f", " ")
        case "parameters":
            return integer(RECIPES[check["name"]].parameters)
        case "cell":
            table = json.loads((ASSETS / "protocols" / f"{check['protocol']}.json").read_text())
            if "table" in check:  # one of a report
                [table] = [one for one in table["tables"] if one["title"].startswith(f"{check['table']}: ")]
            return str(table["rows"][check["row"]][check["column"]]).replace("\u202f", " ")
        case "one_sided":
            networks = json.loads((ASSETS / "protocols" / "one_sided_normalization.json").read_text())["networks"]
            [network] = [one for one in networks if one["kind"] == check["network"]]
            return percent(network["epochs"][-1][check["field"]]).replace("\u202f", " ")
    raise AssertionError(check["kind"])


def test_all_57_rows_are_there_in_order() -> None:
    assert [len(system.capabilities) for system in five_systems()] == [10, 8, 10, 14, 15]
    ids = [row["id"] for row in ROWS]
    assert ids == sorted(set(ids), key=lambda text: tuple(map(int, text.split("."))))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_figures_are_those_of_the_files(row: dict[str, Any]) -> None:
    for check in row["checks"]:
        assert figure(check) == check["text"]
        assert check["text"] in row["ours"], "the figure stands in the row"
    named = {check["text"] for check in row["checks"]}
    unchecked = [text for text in FIGURE.findall(row["ours"]) if not any(text in one for one in named)]
    assert not unchecked, "each measured figure has a check"


@pytest.mark.parametrize("row", [row for row in ROWS if row["command"]], ids=lambda row: row["id"])
def test_commands_are_those_of_the_command_line(row: dict[str, Any]) -> None:
    program, name, *words = shlex.split(row["command"])
    assert program == "imgrec"
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    context = command.make_context(name, words)
    for parameter in ("models", "model", "name"):
        given = context.params.get(parameter)
        for model in (given or "").split(",") if isinstance(given, str) else given or ():
            assert not model or model in known_names(), model


@pytest.mark.parametrize("row", [row for row in ROWS if row["page"]], ids=lambda row: row["id"])
def test_links_lead_to_pages(row: dict[str, Any]) -> None:
    assert (ROOT / "pages" / f"{row['page']}.py").is_file()
    datasets = {dataset for dataset, _ in SUMMARY}
    for key, value in row["query"].items():
        assert key in {"view", "k", "explain", "bench_set", "bench_view", "train"}
        assert key != "bench_set" or value in datasets


def known_names() -> set[str]:
    from imgrec.models.catalog import BUILT_IN

    return {*BUILT_IN, *RECIPES, *PROTOCOLS}
