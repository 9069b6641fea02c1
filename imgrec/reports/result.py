"""`Result`: the predictions for one image, and the JSON, CSV and plain text made of them.

Pages, command line and API make the same `Result` and write the same files.
"""

import csv
import io
import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from imgrec.formatting import THIN_SPACE, milliseconds, percent
from imgrec.predictions.ensembles import Ensemble
from imgrec.predictions.prediction import DEFAULT_TOP_K, Failure, Prediction
from imgrec.reports import calibration_effect
from imgrec.reports.sentences import headline, is_none_of_these, is_unsure, label_of, title_of

# A spreadsheet takes a cell that starts so for a formula (OWASP, "CSV Injection"); the last four are the full-width
# forms that East Asian versions accept.
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")

# The columns of CSV and Parquet, with their types in Arrow.
COLUMNS = {
    "image": "string",
    "sha256": "string",
    "model": "string",
    "rule": "string",
    "label_space": "string",
    "milliseconds": "float64",
    "rank": "int64",
    "label": "string",
    "synset": "string",
    "index": "int64",
    "probability": "float64",
    "none_of_these": "bool",
    "error": "string",
    "calibrated": "bool",
    "unsure": "bool",
}
CSV_COLUMNS = tuple(COLUMNS)

TABLE_WIDTH = 80
_BAR_WIDTH = 24
_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Everything known about one image.

    `image` is the file name (untrusted), `sha256` that of its bytes, `notes` what the decoder normalized, and what must
    be known of the visitor's own classes. `outcomes` has one prediction or failure for each model. `error` is set
    instead of the rest where the image cannot be used.
    """

    image: str
    sha256: str | None
    notes: tuple[str, ...] = ()
    outcomes: tuple[Prediction | Failure, ...] = ()
    ensemble: Ensemble | Failure | None = None
    error: str | None = None

    def __str__(self) -> str:
        """Return the text that `imgrec predict` prints."""
        return to_table([self])

    @property
    def predictions(self) -> list[Prediction]:
        """The outcomes that are predictions."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, Prediction)]

    @property
    def failures(self) -> list[Failure]:
        """The outcomes that are failures."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, Failure)]


def to_dict(result: Result, k: int = DEFAULT_TOP_K) -> dict[str, object]:
    """Return one image as JSON values: the documented shape of `imgrec predict --format json` and of the API.

    `{image, sha256, notes, models: [{model, label_space, milliseconds, top, none_of_these, unsure}], ensemble:
    {rule, weights, top, uncertainty, none_of_these, unsure, temperatures}}` with `top` a list of `{label, synset,
    index, probability}`.

    `none_of_these` is true where the entropy is above the limit of the classes, and null for classes without a limit,
    such as ImageNet's. `unsure` is true where the entropy is above the limit measured for a network of ImageNet or an
    ensemble of them, and null without one (see `out_of_distribution`). `temperatures` has the temperature of each
    member by model, null for one without; it is null itself where the members are not calibrated. A model that failed
    is `{model, error}`, an ensemble that failed `{error}` (null without any), and an image that cannot be used has
    `error` beside empty lists.
    """
    values: dict[str, object] = {
        "image": result.image,
        "sha256": result.sha256,
        "notes": list(result.notes),
        "models": [_model_dict(outcome, k) for outcome in result.outcomes],
        "ensemble": _ensemble_dict(result.ensemble, k),
    }
    return values if result.error is None else values | {"error": result.error}


def to_json(results: Sequence[Result], k: int = DEFAULT_TOP_K) -> str:
    """Return a JSON list with one object for each image; see `to_dict`."""
    return json.dumps([to_dict(result, k) for result in results], indent=2, ensure_ascii=False, allow_nan=False)


def to_rows(results: Sequence[Result], k: int = DEFAULT_TOP_K) -> list[dict[str, object]]:
    """Return one flat row for each image, model and rank, with the columns `CSV_COLUMNS`; the ensemble's come last.

    Full precision; None where a column does not apply. A failure is one row with its `error`.
    """
    rows: list[dict[str, object]] = []
    for result in results:
        image = dict.fromkeys(CSV_COLUMNS) | {"image": result.image, "sha256": result.sha256, "error": result.error}
        models = [_model_dict(outcome, k) for outcome in result.outcomes]
        if isinstance(result.ensemble, Failure):
            models.append(_model_dict(result.ensemble, k))
        elif result.ensemble is not None:
            combined = {
                "rule": result.ensemble.rule,
                "none_of_these": is_none_of_these(result.ensemble),
                "unsure": is_unsure(result.ensemble),
                "calibrated": result.ensemble.before is not None,
            }
            models.append(_model_dict(result.ensemble.prediction, k) | combined)
        for model in models if result.error is None else [{}]:
            top = model.pop("top", None)
            ranked = [{"rank": rank} | row for rank, row in enumerate(top, 1)] if isinstance(top, list) else [{}]
            rows += [image | model | row for row in ranked]
    return rows


def to_csv(results: Sequence[Result], k: int = DEFAULT_TOP_K) -> str:
    """Return `to_rows` as CSV with a header, one line for each row.

    Text that a spreadsheet would run as a formula gets a `'` before it, and control characters (a carriage return
    in a file name starts a new row in some readers) become U+FFFD.
    """
    file = io.StringIO()
    writer = csv.DictWriter(file, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: safe_cell(value) for name, value in row.items()} for row in to_rows(results, k))
    return file.getvalue()


def to_table(results: Sequence[Result], k: int = DEFAULT_TOP_K) -> str:
    """Return plain text for a terminal of 80 columns, without the control characters of file names."""
    return "\n\n".join("\n".join(_table_lines(result, k)) for result in results)


def _model_dict(outcome: Prediction | Failure, k: int) -> dict[str, object]:
    if isinstance(outcome, Failure):
        return {"model": outcome.model, "error": str(outcome.error)}
    return {
        "model": outcome.model,
        "label_space": outcome.label_space.name,
        "milliseconds": outcome.milliseconds,
        "top": _choices(outcome, k),
        "none_of_these": is_none_of_these(outcome),
        "unsure": is_unsure(outcome),
    }


def _choices(prediction: Prediction, k: int) -> list[dict[str, object]]:
    """Return the rows of `top_k`; `dataclasses.asdict` would take a tenth of a small network's time."""
    return [
        {"label": one.label, "synset": one.synset, "index": one.index, "probability": one.probability}
        for one in prediction.top_k(k)
    ]


def _ensemble_dict(ensemble: Ensemble | Failure | None, k: int) -> dict[str, object] | None:
    if ensemble is None:
        return None
    if isinstance(ensemble, Failure):
        return {"error": str(ensemble.error)}
    found, names = ensemble.uncertainty, [member.model for member in ensemble.members]
    return {
        "rule": ensemble.rule,
        "weights": dict(zip(names, ensemble.weights, strict=True)),
        "top": _choices(ensemble.prediction, k),
        "uncertainty": {
            "entropy_bits": found.entropy_bits,
            "mutual_information_bits": found.mutual_information_bits,
            "disagreement": found.disagreement,
        },
        "none_of_these": is_none_of_these(ensemble),
        "unsure": is_unsure(ensemble),
        "temperatures": dict(zip(names, ensemble.temperatures, strict=True)) if ensemble.before is not None else None,
    }


def safe_cell(value: object) -> object:
    """Return `value` for a CSV: text that a spreadsheet would run as a formula with a `'` before it."""
    if isinstance(value, bool):
        return "true" if value else "false"  # as in JSON
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if value.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS) else text


def _table_lines(result: Result, k: int) -> list[str]:
    lines = [_fit(printable(result.image), TABLE_WIDTH)]
    if result.error is not None:
        return [*lines, *_wrapped(result.error)]
    ensemble = result.ensemble if isinstance(result.ensemble, Ensemble) else None
    texts = [*result.notes, *([headline(result.predictions, ensemble)] if result.predictions else [])]
    texts += [calibration_effect.describe(ensemble)] if ensemble is not None and ensemble.before is not None else []
    lines += [line for text in texts for line in _wrapped(text)]
    outcomes = list(result.outcomes)
    if ensemble is not None and len(ensemble.members) > 1:
        outcomes.append(ensemble.prediction)
    elif isinstance(result.ensemble, Failure):
        outcomes.append(result.ensemble)
    return lines + [line for outcome in outcomes for line in ("", *_outcome_lines(outcome, k))]


def _outcome_lines(outcome: Prediction | Failure, k: int) -> list[str]:
    title = printable(title_of(outcome))
    if isinstance(outcome, Failure):
        return _wrapped(f"{title}: {outcome.error}")
    lines = [f"  {_fit(title, 64):<64}{milliseconds(outcome.milliseconds):>14}"]
    for found in outcome.top_k(k):
        label = _fit(printable(label_of(outcome.label_space, found.index)), 40)
        figure = _plain(percent(found.probability))
        lines.append(f"    {label:<40}{figure:>9}  {_bar(found.probability)}".rstrip())
    return lines


def _bar(probability: float) -> str:
    """Return a bar in eighths of a character, rounded down."""
    eighths = int(min(max(probability, 0.0), 1.0) * _BAR_WIDTH * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _wrapped(text: str) -> list[str]:
    """Return the lines of `text`; words and paths stay whole, so that a path can be copied."""
    indent = "  "
    lines = textwrap.wrap(
        printable(text),
        TABLE_WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [_plain(line) for line in lines]


def _plain(text: str) -> str:
    """Return `text`, wrapped already, with plain spaces: fonts of terminals often lack the narrow one."""
    return text.replace(THIN_SPACE, " ")


def _fit(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def printable(text: str) -> str:
    """Return `text` without characters that move the cursor, change colors or turn the direction of reading."""
    return "".join(c if c.isprintable() or c == THIN_SPACE else "\N{REPLACEMENT CHARACTER}" for c in text)
