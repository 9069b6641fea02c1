"""Which part and which class of a dataset a file belongs to: by its folders, or by a table beside them.

    data/                      data/                                  data/
    ├── cats/  cat.1.jpg …     ├── train/  cats/ …  dogs/ …           ├── split.csv   file,split[,label]
    └── dogs/  dog.1.jpg …     └── test/   cats/ …  dogs/ …           └── cats/ …  dogs/ …

A `labels.csv` has the columns `file` and one of `wnid`, `index` (ImageNet's) or `label`; models are measured on it.

The names of classes are untrusted and shown on pages, in charts, in tables and in terminals; `class_name` is the one
place where such a name is made fit for all of them.
"""

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from imgrec.data import archives
from imgrec.errors import InputError
from imgrec.settings import MIB

# Names of the folders that may be between a dataset and its classes, and of parts in a `split.csv`.
PARTS = {
    **dict.fromkeys(("train", "training", "training_set", "train_set"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validation_set"), "validation"),
    **dict.fromkeys(("test", "testing", "test_set"), "test"),
}

# The tables that may be in a dataset, and the columns of the second that may tell the class of an image; of several
# the first counts.
SPLIT_FILE, LABELS_FILE = "split.csv", "labels.csv"
LABEL_COLUMNS = ("wnid", "index", "label")

# A table of a million images.
MAX_TABLE_BYTES = 64 * MIB

# ImageNet has as many; a confusion matrix of more is millions of numbers, and no chart or list can show it.
MAX_CLASSES = 1_000

# The longest of ImageNet's names has 31 characters, and what is longer leaves a chart no room for its bars.
MAX_NAME_CHARACTERS = 60

# Characters that mean something to Markdown, HTML, a spreadsheet or a path become their full-width forms, which look
# the same and mean nothing; so no page has to escape a class. Those of the second only at the start: of a formula, or
# of a list.
_MARKUP = '\\`*[]<>$#~|:/"'
_START = "=+-@"

# Right-to-left names are welcome; these invisible characters would turn round the text beside them.
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Layout:
    """`places`: (train or test, class) of each image, in the order of the files; `left_out`: why others have none.

    `empty` are the classes for which there is a folder and no file; `remarks` are sentences on the parts as a whole.
    """

    places: dict[PurePosixPath, tuple[str, str]]
    left_out: tuple[str, ...]
    empty: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def lay_out(path: archives.Place, names: Sequence[PurePosixPath], empty: Sequence[PurePosixPath] = ()) -> Layout:
    """Return the place of each of the files `names` of the dataset at `path`; `empty` are its folders without any.

    A `split.csv` decides where there is one. Where there are a validation and a test part, the first is left out, as
    a share of the training images is held out for that. Raises `InputError` on a table that cannot be understood.
    """
    table = min((name for name in names if name.name == SPLIT_FILE), key=lambda name: len(name.parts), default=None)
    without: set[str] = set()
    if table is None:
        places = {name: place for name in names if (place := place_of(name)) is not None}
        left_out = [f"{name}: {_why_loose(name)}" for name in names if name not in places]
        meant = {place[1] for folder in empty if (place := place_of(folder / "an image")) is not None}
        without = meant - {label for _, label in places.values()}
    else:
        listed = _read_split(path, table)
        places = {name: listed[name] for name in names if name in listed}
        left_out = [f"{name}: not in {table}" for name in names if name not in listed and name != table]
        left_out += [f"{name}: in {table}, but not there" for name in listed if name not in places]
    parts = [part for part, _ in places.values()]
    remarks: tuple[str, ...] = ()
    if count := parts.count("validation"):
        files = f"{count:,} {'file' if count == 1 else 'files'}"
        if "test" in parts:
            places = {name: place for name, place in places.items() if place[0] != "validation"}
            remark = (
                f"The validation part ({files}) is left out: there is a test part to test on, and what is "
                "validated on is held out from training."
            )
        else:
            places = {name: ("test" if part == "validation" else part, label) for name, (part, label) in places.items()}
            remark = f"The validation part ({files}) is taken as the test part: there is no other."
        remarks = (remark,)
    return Layout(places, tuple(left_out), tuple(sorted(without)), remarks)


def place_of(name: PurePosixPath) -> tuple[str, str] | None:
    """Return (train, validation or test; class) of a file by its folders; None for one in no class folder."""
    folders = [part for part in name.parts[:-1] if part not in {"..", ".", "/"}]
    # The innermost pair counts: a dataset may be in a folder that is called "test" too.
    for folder, inner in reversed(list(pairwise(folders))):
        if folder.lower() in PARTS:
            return PARTS[folder.lower()], class_name(inner)
    return None if not folders or folders[-1].lower() in PARTS else ("train", class_name(folders[-1]))


def class_name(name: str) -> str:
    r"""Return `name` as it is shown everywhere: one line, no control characters, no markup, not too long.

    What differs only in such characters, or in how a letter and its accent are stored, is one class. A long name
    keeps its start and gets a mark of its own.

    >>> class_name("<b>cats</b>\n[1]")
    '＜b＞cats＜／b＞ ［1］'
    """
    # No control character, no half of a character from a name that was no Unicode, and no unassigned one.
    kept = (
        " " if c.isspace() else c
        for c in unicodedata.normalize("NFC", name)
        if c not in _DIRECTIONS and (c.isspace() or unicodedata.category(c) not in {"Cc", "Cs", "Cn", "Co"})
    )
    plain = "".join(_full_width(c) if c in _MARKUP else c for c in re.sub(" +", " ", "".join(kept)).strip())
    if plain.startswith(tuple(_START)):
        plain = _full_width(plain[0]) + plain[1:]
    if len(plain) <= MAX_NAME_CHARACTERS:
        return plain or "(no name)"
    mark = hashlib.sha256(plain.encode()).hexdigest()[:8]
    return f"{plain[: MAX_NAME_CHARACTERS - len(mark) - 1]}…{mark}"


def _full_width(character: str) -> str:
    return chr(ord(character) + 0xFEE0)


def _why_loose(name: PurePosixPath) -> str:
    if name.suffix.lower() in {".zip", ".tar", ".tgz", ".gz", ".xz", ".bz2", ".7z", ".rar"}:
        return "an archive within; unpack it first"
    return "not in a class folder"


def read_labels(path: archives.Place, table: PurePosixPath) -> tuple[str, dict[PurePosixPath, str]]:
    """Return the column of `LABEL_COLUMNS` that `table`, a labels.csv, has, and its word for each image.

    Raises `InputError` on another table, an empty cell, or an image of two classes: a guess would be measured as if
    it were the truth.
    """
    rows, columns = _read_table(path, table)
    column = next((name for name in LABEL_COLUMNS if name in columns), None)
    if "file" not in columns or column is None:
        raise InputError(
            f"Expected the columns file and wnid, index or label in {table}. Received: {', '.join(columns) or 'none'}."
        )
    words: dict[PurePosixPath, str] = {}
    for number, row in enumerate(rows, 1):
        file, word = ((row.get(name) or "").strip() for name in ("file", column))
        if not file or not word:
            raise InputError(
                f"Expected a file and its {column} in each row of {table}. "
                f"Received: row {number} without its {'file' if not file else column}."
            )
        name = table.parent / file
        if words.setdefault(name, word) != word:
            raise InputError(
                f"Expected one class for each file in {table}. Received: {words[name]} and {word} for {file}."
            )
    return column, words


def _read_split(path: archives.Place, table: PurePosixPath) -> dict[PurePosixPath, tuple[str, str]]:
    """Return (part, class) of each file that a `split.csv` lists; the class is its folder's where none is given."""
    rows, columns = _read_table(path, table)
    if not {"file", "split"} <= set(columns):
        raise InputError(f"Expected the columns file and split in {table}. Received: {', '.join(columns) or 'none'}.")
    found = {}
    for row in rows:
        file, part, label = str(row["file"]), str(row["split"]).strip(), row.get("label")
        if part.lower() not in PARTS:
            raise InputError(
                f"Expected train, validation or test in the column split of {table}. Received: {part!r} for {file}."
            )
        label = PurePosixPath(file).parent.name if label is None else label
        if not label.strip():
            raise InputError(f"Expected a class for each file in {table}. Received: none for {file}.")
        found[table.parent / file] = PARTS[part.lower()], class_name(label)
    return found


def _read_table(path: archives.Place, table: PurePosixPath) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of a table in the folder, archive or store at `path`, and the names of its columns, sorted."""
    content = next(data for _, data in archives.files(path, max_bytes=MAX_TABLE_BYTES, only={table}))
    if isinstance(content, str):
        raise InputError(content)
    if len(content) > MAX_TABLE_BYTES:
        raise InputError(f"Expected {table} to have at most {MAX_TABLE_BYTES // MIB} MiB. Received: more.")
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Expected {table} to be a table in CSV and UTF-8. Received: {error}.") from error
    return rows, sorted(map(str, rows[0])) if rows else []
