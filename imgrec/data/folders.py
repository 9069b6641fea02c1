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
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from imgrec.data import archives
from imgrec.errors import InputError
from imgrec.settings import MIB

# Names of the folders that may stand between a dataset and its classes, and of parts in a `split.csv`. A validation
# part is what is tested on where there is no other.
TRAIN_NAMES = frozenset({"train", "training", "training_set", "train_set"})
VALIDATION_NAMES = frozenset({"val", "valid", "validation", "validation_set"})
TEST_NAMES = frozenset({"test", "testing", "test_set"}) | VALIDATION_NAMES

# The tables that may be in a dataset, and the columns of the second that may say what class an image is of; of
# several columns the first counts.
SPLIT_FILE, LABELS_FILE = "split.csv", "labels.csv"
LABEL_COLUMNS = ("wnid", "index", "label")

# A table of a million images.
MAX_TABLE_BYTES = 64 * MIB

# ImageNet has as many; a confusion matrix of more is millions of numbers, and no chart or list can show it.
MAX_CLASSES = 1_000

# The longest of ImageNet's names has 31 characters, and what is longer leaves a chart no room for its bars.
MAX_NAME_CHARACTERS = 60

# Characters that mean something to Markdown, HTML, a spreadsheet or a path, as their full-width twins, which look
# the same and mean nothing; so no page has to remember to escape a class.
_TWINS = {character: chr(ord(character) + 0xFEE0) for character in '\\`*[]<>$#~|:/"=+-@'}
_AT_ANY_PLACE = str.maketrans({character: _TWINS[character] for character in '\\`*[]<>$#~|:/"'})
_AT_THE_START = "=+-@"  # of a formula, or of a list

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


def lay_out(path: Path, names: Sequence[PurePosixPath], empty: Sequence[PurePosixPath] = ()) -> Layout:
    """Where each of the files `names` of the set at `path` belongs; `empty` are its folders without any.

    A `split.csv` decides where there is one. Where there are a validation and a test part, the first is left out, as
    a share of the training images is held out for that. Raises `InputError` on a table that cannot be understood.
    """
    table = min((name for name in names if name.name == SPLIT_FILE), key=lambda name: len(name.parts), default=None)
    if table is None:
        places = {name: place for name in names if (place := place_of(name)) is not None}
        meant = {place[1] for folder in empty if (place := place_of(folder / "an image")) is not None}
        return _in_two_parts(
            places,
            tuple(f"{name}: {_loose(name)}" for name in names if name not in places),
            tuple(sorted(meant - {label for _, label in places.values()})),
        )
    listed = _read_split(path, table)
    places = {name: listed[name] for name in names if name in listed}
    left_out = [f"{name}: not in {table}" for name in names if name not in listed and name != table]
    left_out += [f"{name}: in {table}, but not there" for name in listed if name not in places]
    return _in_two_parts(places, tuple(left_out), ())


def _in_two_parts(
    places: dict[PurePosixPath, tuple[str, str]], left_out: tuple[str, ...], empty: tuple[str, ...]
) -> Layout:
    """With what is to validate on left out where there is a test part, and else in its place."""
    parts = Counter(part for part, _ in places.values())
    if not (count := parts["validation"]):
        return Layout(places, left_out, empty)
    files = f"{count:,} {'file' if count == 1 else 'files'}"
    if parts["test"]:
        places = {name: place for name, place in places.items() if place[0] != "validation"}
        remark = (
            f"The validation part ({files}) is left out: there is a test part to test on, and what is "
            "validated on is held out from training."
        )
    else:
        places = {name: ("test" if part == "validation" else part, label) for name, (part, label) in places.items()}
        remark = f"The validation part ({files}) is taken as the test part: there is no other."
    return Layout(places, left_out, empty, (remark,))


def place_of(name: PurePosixPath) -> tuple[str, str] | None:
    """(train, validation or test; class) of a file by its folders; None for one that lies in no class folder."""
    folders = [part for part in name.parts[:-1] if part not in {"..", ".", "/"}]
    if not folders:
        return None
    # The innermost pair counts: a set may lie in a folder that is called "test" too.
    for i in reversed(range(len(folders) - 1)):
        if folders[i].lower() in TRAIN_NAMES | TEST_NAMES:
            return _part(folders[i]), class_name(folders[i + 1])
    return None if folders[-1].lower() in TRAIN_NAMES | TEST_NAMES else ("train", class_name(folders[-1]))


def class_name(name: str) -> str:
    r"""`name` as it is shown everywhere: one line, no control characters, nothing that is markup, not too long.

    What differs only in such characters, or in how a letter and its accent are stored, is one class. A long name
    keeps its start and gets a mark of its own.

    >>> class_name("<b>cats</b>\n[1]")
    '＜b＞cats＜／b＞ ［1］'
    """
    plain = unicodedata.normalize("NFC", name)
    plain = "".join(" " if c.isspace() else c for c in plain if c not in _DIRECTIONS and (c.isspace() or _is_text(c)))
    plain = re.sub(" +", " ", plain).strip().translate(_AT_ANY_PLACE)
    if plain.startswith(tuple(_AT_THE_START)):
        plain = _TWINS[plain[0]] + plain[1:]
    if len(plain) <= MAX_NAME_CHARACTERS:
        return plain or "(no name)"
    mark = hashlib.sha256(plain.encode()).hexdigest()[:8]
    return f"{plain[: MAX_NAME_CHARACTERS - len(mark) - 1]}…{mark}"


def _is_text(character: str) -> bool:
    """Neither a control character, nor half of a character from a name that was no Unicode, nor an unassigned one."""
    return unicodedata.category(character) not in {"Cc", "Cs", "Cn", "Co"}


def _part(name: str) -> str:
    if name.lower() in VALIDATION_NAMES:
        return "validation"
    return "test" if name.lower() in TEST_NAMES else "train"


def _loose(name: PurePosixPath) -> str:
    if name.suffix.lower() in {".zip", ".tar", ".tgz", ".gz", ".xz", ".bz2", ".7z", ".rar"}:
        return "an archive within; unpack it first"
    return "not in a class folder"


def read_labels(path: Path, table: PurePosixPath) -> tuple[str, dict[PurePosixPath, str]]:
    """Return the column of `LABEL_COLUMNS` that `table`, a labels.csv, has, and what it says of each image.

    Raises `InputError` on another table, an empty cell, or an image of two classes: a guess would be measured as if
    it were the truth.
    """
    rows, columns = _read_table(path, table)
    column = next((name for name in LABEL_COLUMNS if name in columns), None)
    if "file" not in columns or column is None:
        raise InputError(
            f"Expected the columns file and wnid, index or label in {table}. "
            f"Received: {', '.join(sorted(map(str, columns))) or 'none'}."
        )
    words: dict[PurePosixPath, str] = {}
    for number, row in enumerate(rows, 1):
        file, word = ((row.get(name) or "").strip() for name in ("file", column))
        if not file or not word:
            raise InputError(
                f"Expected a file and its {column} in each row of {table}. "
                f"Received: row {number} without its {'file' if not file else column}."
            )
        if words.setdefault(table.parent / file, word) != word:
            raise InputError(
                f"Expected one class for each file in {table}. "
                f"Received: {words[table.parent / file]} and {word} for {file}."
            )
    return column, words


def _read_split(path: Path, table: PurePosixPath) -> dict[PurePosixPath, tuple[str, str]]:
    """(part, class) of each file that a `split.csv` lists; the class is its folder's where none is given."""
    rows, columns = _read_table(path, table)
    if not {"file", "split"} <= columns:
        received = ", ".join(sorted(map(str, columns))) or "none"
        raise InputError(f"Expected the columns file and split in {table}. Received: {received}.")
    found = {}
    for row in rows:
        file, part, label = str(row["file"]), str(row["split"]).strip(), row.get("label")
        if part.lower() not in TRAIN_NAMES | TEST_NAMES:
            raise InputError(
                f"Expected train, validation or test in the column split of {table}. Received: {part!r} for {file}."
            )
        label = PurePosixPath(file).parent.name if label is None else label
        if not label.strip():
            raise InputError(f"Expected a class for each file in {table}. Received: none for {file}.")
        found[table.parent / file] = _part(part), class_name(label)
    return found


def _read_table(path: Path, table: PurePosixPath) -> tuple[list[dict[str, Any]], set[str]]:
    """The rows of a table in the folder or archive at `path`, and the names of its columns."""
    content = next(data for _, data in archives.files(path, max_bytes=MAX_TABLE_BYTES, only={table}))
    if len(content) > MAX_TABLE_BYTES:
        raise InputError(f"Expected {table} to have at most {MAX_TABLE_BYTES // MIB} MiB. Received: more.")
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Expected {table} to be a table in CSV and UTF-8. Received: {error}.") from error
    return rows, set(rows[0]) if rows else set()
