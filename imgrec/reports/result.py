"""Results in files: the JSON, CSV and plain text that leave imgrec, the same from page, command line and API.

Pure functions of predictions; whoever calls them writes the file.
"""

import csv
import io
import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from imgrec.formatting import THIN_SPACE, milliseconds
from imgrec.formatting import percent as percent  # what goes with a report has this address too
from imgrec.predictions.ensembles import Ensemble
from imgrec.predictions.prediction import DEFAULT_TOP_K, Prediction
from imgrec.reports.sentences import is_none_of_these, label_of
from imgrec.reports.sentences import title_of as title_of
from imgrec.reports.sentences import verdict as verdict

# A spreadsheet takes a cell that starts so for a formula (OWASP, "CSV Injection"); the last four are the full-width
# forms that East Asian versions accept.
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")

CSV_COLUMNS = (
    "image",
    "sha256",
    "model",
    "rule",
    "label_space",
    "milliseconds",
    "rank",
    "label",
    "synset",
    "index",
    "probability",
    "none_of_these",
    "error",
)

TABLE_WIDTH = 80
_BAR_WIDTH = 24
_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True, slots=True)
class Failure:
    """A model, or the ensemble, that gave no prediction, with the sentence to show in its place."""

    model: str
    error: str


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """Everything to be said about one image.

    `image` is the name under which it came (a visitor's, so not to be trusted), `sha256` that of its bytes,
    `notes` what the decoder normalized. `error` is set instead of the rest when the image cannot be used.
    """

    image: str
    sha256: str | None
    notes: tuple[str, ...] = ()
    outcomes: tuple[Prediction | Failure, ...] = ()
    ensemble: Ensemble | Failure | None = None
    error: str | None = None


def to_dict(report: Report, k: int = DEFAULT_TOP_K) -> dict[str, object]:
    """One image as JSON values: the documented shape of `imgrec predict --format json` and of the API.

    `{image, sha256, notes, models: [{model, label_space, milliseconds, top, none_of_these}], ensemble: {rule, weights,
    top, uncertainty, none_of_these}}` with `top` a list of `{label, synset, index, probability}`. `none_of_these` is
    true where the doubt says that the image most likely shows none of the classes, and null for classes for which
    nobody has measured how much doubt that takes, such as ImageNet's (see `abstention`). A model that failed is
    `{model, error}`, an ensemble that cannot be is `{error}` (None when none was asked for), and a image that
    cannot be used has `error` beside empty lists.
    """
    values: dict[str, object] = {
        "image": report.image,
        "sha256": report.sha256,
        "notes": list(report.notes),
        "models": [_model_dict(outcome, k) for outcome in report.outcomes],
        "ensemble": _ensemble_dict(report.ensemble, k),
    }
    if report.error is not None:
        values["error"] = report.error
    return values


def to_json(reports: Sequence[Report], k: int = DEFAULT_TOP_K) -> str:
    """A JSON list with one object a image; see `to_dict`."""
    return json.dumps([to_dict(report, k) for report in reports], indent=2, ensure_ascii=False, allow_nan=False)


def to_rows(reports: Sequence[Report], k: int = DEFAULT_TOP_K) -> list[dict[str, object]]:
    """One flat row for each image, model and rank, with the columns `CSV_COLUMNS`; the ensemble's come last.

    Full precision; None where a column does not apply. What failed has one row with its `error`.
    """
    return [row for report in reports for row in _rows(report, k)]


def to_csv(reports: Sequence[Report], k: int = DEFAULT_TOP_K) -> str:
    """`to_rows` as CSV with a header, one line a row.

    Text that a spreadsheet would run as a formula gets a `'` before it, and control characters (a carriage return
    in a file name starts a new row in some readers) become U+FFFD.
    """
    file = io.StringIO()
    writer = csv.DictWriter(file, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _safe_cell(value) for name, value in row.items()} for row in to_rows(reports, k))
    return file.getvalue()


def to_table(reports: Sequence[Report], k: int = DEFAULT_TOP_K) -> str:
    """Plain text for a terminal of 80 columns; control characters in file names do not reach it."""
    return "\n\n".join("\n".join(_table_lines(report, k)) for report in reports)


def _top(prediction: Prediction, k: int) -> list[dict[str, object]]:
    return [
        {"label": c.label, "synset": c.synset, "index": c.index, "probability": c.probability}
        for c in prediction.top_k(k)
    ]


def _model_dict(outcome: Prediction | Failure, k: int) -> dict[str, object]:
    if isinstance(outcome, Failure):
        return {"model": outcome.model, "error": outcome.error}
    return {
        "model": outcome.model,
        "label_space": outcome.label_space.name,
        "milliseconds": outcome.milliseconds,
        "top": _top(outcome, k),
        "none_of_these": is_none_of_these(outcome),
    }


def _ensemble_dict(ensemble: Ensemble | Failure | None, k: int) -> dict[str, object] | None:
    if ensemble is None:
        return None
    if isinstance(ensemble, Failure):
        return {"error": ensemble.error}
    found = ensemble.uncertainty
    return {
        "rule": ensemble.rule,
        "weights": {member.model: weight for member, weight in zip(ensemble.members, ensemble.weights, strict=True)},
        "top": _top(ensemble.prediction, k),
        "uncertainty": {
            "entropy_bits": found.entropy_bits,
            "mutual_information_bits": found.mutual_information_bits,
            "disagreement": found.disagreement,
        },
        "none_of_these": is_none_of_these(ensemble),
    }


def _rows(report: Report, k: int) -> list[dict[str, object]]:
    picture = dict.fromkeys(CSV_COLUMNS) | {"image": report.image, "sha256": report.sha256}
    if report.error is not None:
        return [picture | {"error": report.error}]
    rows: list[dict[str, object]] = []
    for outcome in report.outcomes:
        rows += _outcome_rows(picture, outcome, k)
    if isinstance(report.ensemble, Failure):
        rows += _outcome_rows(picture, report.ensemble, k)
    elif report.ensemble is not None:
        together = {"rule": report.ensemble.rule, "none_of_these": is_none_of_these(report.ensemble)}
        rows += [row | together for row in _outcome_rows(picture, report.ensemble.prediction, k)]
    return rows


def _outcome_rows(picture: dict[str, object], outcome: Prediction | Failure, k: int) -> list[dict[str, object]]:
    if isinstance(outcome, Failure):
        return [picture | {"model": outcome.model, "error": outcome.error}]
    model = {
        "model": outcome.model,
        "label_space": outcome.label_space.name,
        "milliseconds": outcome.milliseconds,
        "none_of_these": is_none_of_these(outcome),
    }
    return [picture | model | {"rank": rank} | top for rank, top in enumerate(_top(outcome, k), start=1)]


def _safe_cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"  # as in JSON
    if not isinstance(value, str):
        return value
    text = _printable(value)
    return f"'{text}" if value.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS) else text


def _table_lines(report: Report, k: int) -> list[str]:
    lines = [_fit(_printable(report.image), TABLE_WIDTH)]
    if report.error is not None:
        return [*lines, *_wrapped(report.error)]
    for note in report.notes:
        lines += _wrapped(note)
    ensemble = report.ensemble if isinstance(report.ensemble, Ensemble) else None
    predictions = [outcome for outcome in report.outcomes if isinstance(outcome, Prediction)]
    if predictions:
        lines += _wrapped(verdict(predictions, ensemble))
    shown = list(report.outcomes)
    if ensemble is not None and len(ensemble.members) > 1:
        shown.append(ensemble.prediction)
    elif isinstance(report.ensemble, Failure):
        shown.append(report.ensemble)
    for outcome in shown:
        lines += ["", *_outcome_lines(outcome, k)]
    return lines


def _outcome_lines(outcome: Prediction | Failure, k: int) -> list[str]:
    title = _printable(title_of(outcome.model))
    if isinstance(outcome, Failure):
        return _wrapped(f"{title}: {outcome.error}")
    lines = [f"  {_fit(title, 64):<64}{milliseconds(outcome.milliseconds):>14}"]
    for found in outcome.top_k(k):
        label = _fit(_printable(label_of(outcome.label_space, found.index)), 40)
        figure = _plain(percent(found.probability))
        lines.append(f"    {label:<40}{figure:>9}  {_bar(found.probability)}".rstrip())
    return lines


def _bar(probability: float) -> str:
    """A bar of eighths of a character; empty below one eighth, so that nothing looks like more than it is."""
    eighths = int(min(max(probability, 0.0), 1.0) * _BAR_WIDTH * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _wrapped(text: str) -> list[str]:
    """Words and paths are never broken: a path is there to be copied."""
    indented = textwrap.wrap(
        _printable(text),
        TABLE_WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [_plain(line) for line in indented]


def _plain(text: str) -> str:
    """After wrapping, a plain space serves: terminals' fonts often lack the thin one."""
    return text.replace(THIN_SPACE, " ")


def _fit(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _printable(text: str) -> str:
    """`text` without characters that could move the cursor, change colors or turn the direction of reading."""
    return "".join(c if c.isprintable() or c == THIN_SPACE else "\N{REPLACEMENT CHARACTER}" for c in text)
