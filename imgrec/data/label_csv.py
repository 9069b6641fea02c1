"""`labels.csv`: which image is of which class, as somebody wrote it down in a table.

Its columns are `file` and one of `wnid`, `index` (ImageNet's) or `label`. A row that says nothing, or two that
contradict each other, end the reading with a sentence: a guess would be measured as if it were the truth.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import PurePosixPath

from imgrec.errors import InputError
from imgrec.settings import MIB

LABELS_FILE = "labels.csv"

# A table of labels for a million images.
MAX_LABELS_BYTES = 64 * MIB

# What a image's class may be told by; of several columns the first counts.
COLUMNS = ("wnid", "index", "label")


@dataclass(frozen=True, slots=True)
class LabelTable:
    """`words` has what the `column` (of `COLUMNS`) says of each image, by its name below the set."""

    column: str
    words: dict[PurePosixPath, str]


def read(content: bytes, table: PurePosixPath) -> LabelTable:
    """What `content`, the file called `table`, says of the images beside it.

    Raises `InputError` on what is no such table, an empty cell, or a image of two classes.
    """
    if len(content) > MAX_LABELS_BYTES:
        raise InputError(f"Expected {table} to have at most {MAX_LABELS_BYTES // MIB} MiB. Received: more.")
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Expected {table} to be a table in CSV and UTF-8. Received: {error}.") from error
    columns = set(rows[0]) if rows else set()
    column = next((name for name in COLUMNS if name in columns), None)
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
        name = table.parent / file
        if words.setdefault(name, word) != word:
            raise InputError(
                f"Expected one class for each file in {table}. Received: {words[name]} and {word} for {file}."
            )
    return LabelTable(column, words)
