"""Images as bytes in a column of Parquet files, as the Hugging Face hub and Spark keep them.

    data/test-00000-of-00002.parquet      image: {bytes, path} or bytes     label: a word or a number

The id of an image is its file and row. A reader opens the row groups that it needs, and of these one column.
"""

import itertools
import json
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from imgrec.data.dataset import Raw
from imgrec.data.packed_images import Listed, Survey, damaged
from imgrec.data.stores import Store, StoredFile
from imgrec.errors import InputError
from imgrec.settings import MIB

# By their names; of several the first.
IMAGE_COLUMNS = ("image", "img", "jpg", "jpeg", "png", "webp", "bytes", "content")
LABEL_COLUMNS = ("label", "labels", "cls", "class", "target", "wnid", "fine_label")

# A row group is read as a whole: the files of a program that packs more can be written anew.
MAX_GROUP_BYTES = 2048 * MIB


class ParquetKind:
    """See `packed_images.Kind`."""

    suffix = ".parquet"

    def survey(self, store: Store, files: Sequence[StoredFile], max_bytes: int) -> Survey:
        """List the rows of all files, with their classes."""
        found: list[Listed] = []
        names: tuple[str, ...] | None = None
        column = ""
        for file in files:
            with _opened(store, file.name) as parquet:
                image, label = _columns(parquet.schema_arrow, file.name)
                if column and image != column:
                    raise InputError(f"Expected the images of {file.name} in the column {column}. Received: {image}.")
                column = image
                names = names or _names(parquet.schema_arrow, label)
                labels: list[Any] = [None] * parquet.metadata.num_rows
                if label is not None:
                    labels = parquet.read(columns=[label]).column(0).to_pylist()
                found += (Listed(f"{file.name}/{row:08d}", file.name, label) for row, label in enumerate(labels))
        return Survey(tuple(found), ParquetRows(store, column, max_bytes), names)


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """A `Read` of rows; small, as an id says where its image is."""

    store: Store
    column: str
    max_bytes: int

    def __call__(self, ids: Collection[str]) -> Iterator[tuple[str, Raw]]:
        """Yield (id, bytes) in the order of files and rows; a sentence for what is null or damaged."""
        split = sorted((id_.rpartition("/")[0], int(id_.rpartition("/")[2]), id_) for id_ in ids)
        for file, group in itertools.groupby(split, key=lambda entry: entry[0]):
            yield from self._of_file(PurePosixPath(file), {row: id_ for _, row, id_ in group})

    def _of_file(self, name: PurePosixPath, wanted: dict[int, str]) -> Iterator[tuple[str, Raw]]:
        import pyarrow

        with _opened(self.store, name) as parquet:
            start, ordered = 0, list(wanted)
            for number in range(parquet.num_row_groups):
                about = parquet.metadata.row_group(number)
                rows = ordered[bisect_left(ordered, start) : bisect_left(ordered, start + about.num_rows)]
                if rows:
                    sentence = ""
                    try:
                        if about.total_byte_size > MAX_GROUP_BYTES:
                            limit = f"{MAX_GROUP_BYTES / MIB:,.0f} MiB"
                            raise InputError(
                                f"Expected row groups of at most {limit} in {name}. "
                                f"Received: {about.total_byte_size / MIB:,.0f} MiB."
                            )
                        column = parquet.read_row_group(number, columns=[self.column]).column(0)
                    except (pyarrow.ArrowException, InputError) as error:
                        sentence = str(error if isinstance(error, InputError) else damaged(name, error))
                    for row in rows:
                        yield wanted[row], sentence or self._image(column[row - start])
                start += about.num_rows

    def _image(self, cell: Any) -> Raw:
        value = cell.as_py()
        if isinstance(value, dict):
            value = value.get("bytes")
        return value[: self.max_bytes + 1] if isinstance(value, bytes) else "There are no bytes in this row."


@contextmanager
def _opened(store: Store, name: PurePosixPath) -> Iterator[Any]:
    """Open a file; raises `InputError` where it is damaged, else as `Store.opened`."""
    import pyarrow
    import pyarrow.parquet

    with store.opened(name) as file:
        try:
            parquet = pyarrow.parquet.ParquetFile(file)
        except (pyarrow.ArrowException, OSError) as error:  # the second for damage too
            raise damaged(name, error) from error
        try:
            yield parquet
        except pyarrow.ArrowException as error:
            raise damaged(name, error) from error


def _columns(schema: Any, name: PurePosixPath) -> tuple[str, str | None]:
    """Return the columns of the images and of their classes; None where there is none of these."""
    image = next((column for column in IMAGE_COLUMNS if column in schema.names and _has_bytes(schema, column)), None)
    if image is None:
        raise InputError(
            f"Expected a column of {name} with the bytes of images, such as {', '.join(IMAGE_COLUMNS[:4])}. "
            f"Received: {', '.join(schema.names[:10]) or 'none'}."
        )
    return image, next((column for column in LABEL_COLUMNS if column in schema.names), None)


def _has_bytes(schema: Any, column: str) -> bool:
    from pyarrow import types

    kind = schema.field(column).type
    if types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _names(schema: Any, label: str | None) -> tuple[str, ...] | None:
    """Return the names of numbered classes, as the Hugging Face hub notes them in the file."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) else None


PARQUET = ParquetKind()
