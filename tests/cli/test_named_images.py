"""Files, patterns, folders, archives and standard input, as `imgrec predict` takes them."""

import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import parquet

from imgrec.cli import predict
from imgrec.reports import result
from tests.cli.test_cli import Run, cat, environment, imgrec  # noqa: F401 (fixtures)
from tests.inference.test_request import image

WORDS = ("--models=mobilenet", "--format=json")


@pytest.fixture
def many(environment: Path) -> Path:  # noqa: F811
    """Two images and a text in a folder, and the same in an archive."""
    (environment / "many" / "deep").mkdir(parents=True)
    (environment / "many" / "a.png").write_bytes(image())
    (environment / "many" / "deep" / "b.png").write_bytes(image())
    (environment / "many" / "notes.txt").write_text("no image")
    with zipfile.ZipFile(environment / "many.zip", "w") as archive:
        for file in sorted((environment / "many").rglob("*.*")):
            archive.write(file, file.relative_to(environment / "many"))
    return environment


def names(run: Run) -> list[str]:
    return [row["image"] for row in json.loads(run.out)]


def test_a_folder_and_an_archive_stand_for_their_images(imgrec: Callable[..., Run], many: Path) -> None:  # noqa: F811
    for place in ("many", "many.zip"):
        done = imgrec("predict", place, *WORDS)
        assert (done.code, names(done)) == (0, [f"{place}/a.png", f"{place}/deep/b.png"])
        assert "1 other file is left out: notes.txt" in done.err


def test_a_pattern_stands_for_the_files_that_match(imgrec: Callable[..., Run], many: Path) -> None:  # noqa: F811
    assert names(imgrec("predict", "many/**/*.png", *WORDS)) == ["many/a.png", "many/deep/b.png"]
    done = imgrec("predict", "x*.png", "many/?.png", *WORDS)
    assert (done.code, names(done)) == (2, ["x*.png", "many/a.png"])
    assert "Expected files that match x*.png. Received: none." in done.err
    (many / "[1].png").write_bytes(image())
    assert names(imgrec("predict", "[1].png", *WORDS)) == ["[1].png"]


def test_a_pattern_for_a_sheet(imgrec: Callable[..., Run], many: Path) -> None:  # noqa: F811
    done = imgrec("sheet", "many/*.png", *WORDS)
    assert (done.code, names(done)) == (0, ["many/a.png"])
    assert imgrec("sheet", "x*", *WORDS).code == 2


def test_standard_input_and_files_together(
    imgrec: Callable[..., Run],  # noqa: F811
    cat: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(image())))
    assert names(imgrec("predict", "-", cat, *WORDS)) == ["standard input", cat]


@pytest.mark.parametrize("packed", [True, False], ids=["an archive", "an image"])
def test_a_sheet_of_standard_input(
    packed: bool,
    imgrec: Callable[..., Run],  # noqa: F811
    many: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = (many / "many.zip").read_bytes() if packed else image()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    done = imgrec("sheet", "-", "--order=given", *WORDS)
    assert (done.code, names(done)) == (0, ["a.png", "deep/b.png"] if packed else ["standard input"])


@pytest.mark.parametrize("data", [b"", b"no image"])
def test_what_is_none_on_standard_input(
    data: bytes,
    imgrec: Callable[..., Run],  # noqa: F811
    environment: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    done = imgrec("sheet", "-", *WORDS)
    assert (done.code, done.out) == (2, "")
    assert "standard input" in done.err
    assert "/imgrec-" not in done.err


def test_a_folder_without_images_and_a_damaged_archive(imgrec: Callable[..., Run], many: Path, cat: str) -> None:  # noqa: F811
    (many / "empty").mkdir()
    (many / "broken.zip").write_bytes(b"PK no archive")
    done = imgrec("predict", "empty", "broken.zip", cat, *WORDS)
    assert done.code == 2
    assert [bool(row.get("error")) for row in json.loads(done.out)] == [True, True, False]


def test_parquet_has_the_rows_of_the_csv(
    imgrec: Callable[..., Run],  # noqa: F811
    cat: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(predict, "write", written.append)
    assert imgrec("predict", cat, "none.png", "--models=mobilenet", "--top=2", "--format=parquet").code == 2
    table = parquet.read_table(io.BytesIO(written[0]))
    assert table.column_names == list(result.COLUMNS)
    assert table["label"].to_pylist()[:1] == ["tabby"]
    assert str(table.schema.field("unsure").type) == "bool"
    assert table["error"].to_pylist()[-1] is not None


def test_parquet_is_not_written_to_a_terminal(
    imgrec: Callable[..., Run],  # noqa: F811
    cat: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    done = imgrec("predict", cat, "--models=mobilenet", "--format=parquet")
    assert (done.code, "a terminal" in done.err) == (2, True)
