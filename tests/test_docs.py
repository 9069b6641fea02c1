"""What the documents say is checked against what the code does."""

import json
import re
from pathlib import Path

import pytest

from imgrec.settings import ROOT
from tests.test_architecture import ROOMS, modules

README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def test_the_readme_draws_every_room_once_and_no_other() -> None:
    tree = README.split("## The house")[1].split("```")[1]
    drawn = re.findall(r"^  ([\w/.]+)\s", tree, re.MULTILINE)
    real = {name.split(".")[0] for name in modules()} - {"app", "pages", "__main__"}
    assert sorted(name.removesuffix(".py").removesuffix("/") for name in drawn) == sorted(real)


def test_rooms_lists_every_room_and_no_other() -> None:
    assert set(ROOMS) == {name.split(".")[0] for name in modules()} - {"app", "pages"}


@pytest.mark.parametrize("room", [path.parent for path in sorted((ROOT / "imgrec").rglob("*/__init__.py"))], ids=str)
def test_a_room_lists_its_modules_and_no_other(room: Path) -> None:
    about = (room / "__init__.py").read_text()
    listed = set(re.findall(r"^`(\w+)`: ", about, re.MULTILINE))
    real = {path.stem for path in room.glob("*.py")} - {"__init__"}
    assert listed == real


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md")], ids=str)
def test_links_within_the_repository_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"(?:\]\(|src(?:set)?=\")([^)#:\"]+)[)\"]", path.read_text()):
        assert (path.parent / target).exists(), target


def test_requirements_are_pinned() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
        assert all("==" in line for line in lines if line), name


def test_committed_json_is_valid() -> None:
    for path in [*ROOT.glob("assets/**/*.json"), *ROOT.glob("bench/**/*.json")]:
        json.loads(path.read_text())


@pytest.mark.parametrize(
    ("path", "lines"), re.findall(r"^`([\w/.]+)`:\n\n```python\n(.*?)```", ARCHITECTURE, re.MULTILINE | re.DOTALL)
)
def test_the_architecture_quotes_lines_that_are_there(path: str, lines: str) -> None:
    assert lines in (ROOT / path).read_text()


@pytest.mark.parametrize(
    ("question", "path", "name"), re.findall(r"^\| (.*\?) \| `(.*)` \| `(.*)` \|$", ARCHITECTURE, re.MULTILINE)
)
def test_things_are_where_the_architecture_says(question: str, path: str, name: str) -> None:
    assert name in (ROOT / path).read_text(), question


def test_the_architecture_names_files_that_are_there() -> None:
    routes = ARCHITECTURE.split("## Four routes")[1].split("## How to add")[0]
    named = re.findall(
        r"`((?:ui|images|inference|models|predictions|charts|cli|data|evaluation|explanation|training|jobs)/[\w/]*(?:\.py)?)`",
        routes,
    )
    assert named
    assert [name for name in named if not (ROOT / "imgrec" / name).exists()] == []
