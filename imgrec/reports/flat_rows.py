"""Rows of values as CSV and as Parquet; what is nested in a row becomes JSON."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from imgrec.reports.result import safe_cell

Rows = Sequence[Mapping[str, Any]]


def to_json(rows: Rows) -> bytes:
    """Return a JSON list with one object for each row, with nested values as they are."""
    return json.dumps(list(rows), indent=2, ensure_ascii=False, allow_nan=False).encode()


def to_csv(rows: Rows) -> bytes:
    """Return a header and one line for each row; nothing in it is run by a spreadsheet as a formula.

    >>> print(to_csv([{"model": "=1", "versions": {"keras": "3"}}]).decode().rstrip())
    model,versions
    '=1,"{""keras"": ""3""}"
    """
    file = io.StringIO()
    writer = csv.DictWriter(file, _columns(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: safe_cell(_flat(value)) for name, value in row.items()} for row in rows)
    return file.getvalue().encode()


def to_parquet(rows: Rows, types: Mapping[str, str] | None = None) -> bytes:
    """Return the rows as a Parquet file.

    Args:
        rows: Values by column.
        types: Column → the name of its type in Arrow; else the types are those of the values.
    """
    import pyarrow
    from pyarrow import parquet

    schema = types and pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in types.items()])
    whole = [{name: _flat(row.get(name)) for name in types or _columns(rows)} for row in rows]
    file = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(whole, schema=schema), file, compression="zstd")
    return file.getvalue()


def _columns(rows: Rows) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | tuple) else value


# Writers by the name of the format.
FORMATS = {"json": to_json, "csv": to_csv, "parquet": to_parquet}
