"""JSON that may hold anything: what is not plain JSON of the right types is a sentence."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from imgrec import json_files
from imgrec.errors import ImgrecError, InputError, StorageError
from tests.reliability.hostile_json import TEXTS, mutations


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    count: int
    share: float
    sizes: dict[str, tuple[int, str]]
    kind: Literal["a", "b"] = "a"
    note: str | None = None


WHOLE: dict[str, Any] = {"name": "x", "count": 3, "share": 1, "sizes": {"a": [1, "b"]}}


def test_a_row_is_read_back() -> None:
    row = json_files.to_row(Row, WHOLE, "row.json")
    assert (row.count, row.share, row.kind, row.note) == (3, 1, "a", None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"count": "abc"}, "Expected count to be a whole number in row.json. Received: 'abc'."),
        ({"count": True}, "Expected count to be a whole number in row.json. Received: True."),
        ({"count": 2**70}, "Expected count to be a whole number in row.json. Received: 1180591620717411303424."),
        ({"share": None}, "Expected share to be a number in row.json. Received: None."),
        ({"sizes": {"a": [1]}}, "Expected sizes to be an object in row.json. Received: {'a': [1]}."),
        ({"note": 1}, "Expected note to be a text or null in row.json. Received: 1."),
        ({"kind": "c"}, "Expected kind to be a or b in row.json. Received: 'c'."),
        ({"what": 1}, "Expected no fields but name, count, share, sizes, kind, note in row.json. Received: what."),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        json_files.to_row(Row, WHOLE | change, "row.json")
    assert str(caught.value) == expected


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InputError, match=r"Expected share in row\.json\. Received: none\."):
        json_files.to_row(Row, {key: value for key, value in WHOLE.items() if key != "share"}, "row.json")


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_any_text_is_read_or_refused(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "row.json"
    path.write_bytes(text)
    with pytest.raises(InputError, match="Expected"):
        json_files.to_row(Row, json_files.read(path), "row.json")


def test_every_change_of_a_row_is_read_or_refused() -> None:
    for what, changed in mutations(WHOLE):
        text = json.dumps(changed)
        with suppress(InputError):
            assert isinstance(json_files.to_row(Row, json_files.decode(text, "row.json"), "row.json"), Row), what


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), Path("a\0b"), tmp_path / "none"):
        with pytest.raises(ImgrecError):
            json_files.read(path)
    with pytest.raises(StorageError):
        json_files.read(tmp_path / "none")


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_bytes(b"[" + b"1," * 1000 + b"1]")
    with pytest.raises(InputError, match="at most"):
        json_files.read(path, max_bytes=1000)
