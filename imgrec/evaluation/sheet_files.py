"""The rows of a contact sheet as CSV, JSON and Parquet, also of one that is not finished."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from imgrec.evaluation.contact_sheet import Row
from imgrec.reports import flat_rows
from imgrec.reports.result import safe_cell

# The columns and their types in Parquet; for each model follow its label and its probability.
COLUMNS = {
    "image": "string",
    "label": "string",
    "synset": "string",
    "probability": "float64",
    "agreeing": "int64",
    "members": "int64",
    "disagreement": "float64",
    "mutual_information_bits": "float64",
    "entropy_bits": "float64",
    "unsure": "bool",
    "truth": "string",
    "right": "bool",
    "error": "string",
    "sha256": "string",
}


def to_dict(row: Row) -> dict[str, object]:
    """Return one image as JSON values: the documented shape of `imgrec sheet --format json` and of the API.

    `{image, sha256, answer, agreeing, members, disagreement, mutual_information_bits, entropy_bits, unsure, truth,
    right, models, error}`: `answer` is `{label, synset, index, probability}` or null, `models` has the same with the
    name `model` for each model, or `{model, error}`. `truth` and `right` are null where the true class is not known.
    """
    models = [{"model": model} | asdict(choice) for model, choice in row.choices.items()]
    models += [{"model": model, "error": error} for model, error in row.failures.items()]
    return {
        "image": row.image,
        "sha256": row.sha256,
        "answer": None if row.answer is None else asdict(row.answer),
        "agreeing": row.agreeing,
        "members": list(row.members),
        "disagreement": row.disagreement,
        "mutual_information_bits": row.mutual_information_bits,
        "entropy_bits": row.entropy_bits,
        "unsure": row.is_unsure,
        "truth": row.truth,
        "right": row.is_right,
        "models": models,
        "error": row.error,
    }


def to_json(rows: Sequence[Row], models: Sequence[str] = ()) -> bytes:
    """Return a JSON list with one object for each image; see `to_dict`."""
    return json.dumps(list(map(to_dict, rows)), indent=2, ensure_ascii=False, allow_nan=False).encode()


def to_csv(rows: Sequence[Row], models: Sequence[str]) -> bytes:
    """Return one line for each image; nothing in it is run by a spreadsheet as a formula."""
    file = io.StringIO()
    writer = csv.DictWriter(file, [*COLUMNS, *_model_columns(models)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: safe_cell(value) for name, value in flat(row, models).items()})
    return file.getvalue().encode()


def to_parquet(rows: Sequence[Row], models: Sequence[str]) -> bytes:
    """Return the table of `to_csv` as a Parquet file."""
    return flat_rows.to_parquet([flat(row, models) for row in rows], COLUMNS | _model_columns(models))


def flat(row: Row, models: Sequence[str]) -> dict[str, object]:
    """Return one image as a row of `COLUMNS`, and the first choice of each of `models`; None where there is none."""
    answer = row.answer
    values: dict[str, object] = dict.fromkeys([*COLUMNS, *_model_columns(models)]) | {
        "image": row.image,
        "truth": row.truth,
        "error": row.error,
        "sha256": row.sha256,
    }
    if answer is not None:
        values |= {
            "label": answer.label,
            "synset": answer.synset,
            "probability": answer.probability,
            "agreeing": row.agreeing,
            "members": len(row.members),
            "disagreement": row.disagreement,
            "mutual_information_bits": row.mutual_information_bits,
            "entropy_bits": row.entropy_bits,
            "unsure": row.is_unsure,
            "right": row.is_right,
        }
    for model in models:
        if (choice := row.choices.get(model)) is not None:
            values |= {f"label_{model}": choice.label, f"probability_{model}": choice.probability}
    return values


def _model_columns(models: Sequence[str]) -> dict[str, str]:
    return {
        name: kind
        for model in models
        for name, kind in ((f"label_{model}", "string"), (f"probability_{model}", "float64"))
    }


# Writers by the name of the format, with its MIME type.
FORMATS: Mapping[str, tuple[Callable[[Sequence[Row], Sequence[str]], bytes], str]] = {
    "csv": (to_csv, "text/csv"),
    "json": (to_json, "application/json"),
    "parquet": (to_parquet, "application/vnd.apache.parquet"),
}
