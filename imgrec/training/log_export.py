"""The log of a training as the files that Keras and its users write; `log_files` reads each of them."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator

import numpy as np

from imgrec.training.training_log import EPOCH, SECONDS, VALIDATION, Floats, TrainingLog

# The names of the files. A quantity that a log does not have makes no file.
CSV, HISTORY, ACCURACY, LOSS, BAR = "training.csv", "history.json", "acc_history.txt", "loss_history.txt", "nohup.out"

_BAR_CHARACTERS = 30


def files_of(log: TrainingLog) -> dict[str, str]:
    """Return name → text of the files of a log.

    `training.csv` is that of CSVLogger with epochs from 0, and with the seconds of each, as is `history.json`. The
    lists have one value for each batch that the log has.
    """
    found = {}
    if log.count:
        found = {CSV: _csv(log), HISTORY: _history(log)}
    for name, quantity in ((ACCURACY, "accuracy"), (LOSS, "loss")):
        values = log.batches.get(quantity)
        if values is not None:
            found[name] = "".join(f"{value!r}\n" for value in values[np.isfinite(values)].tolist())
    if log.count or log.positions.size:
        found[BAR] = "".join(_bars(log))
    return found


def zipped(log: TrainingLog) -> bytes:
    """Return a zip of `files_of` a log."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files_of(log).items():
            archive.writestr(name, text)
    return target.getvalue()


def _columns(log: TrainingLog) -> dict[str, Floats]:
    timed = {} if np.isnan(log.seconds).all() else {SECONDS: log.seconds}
    return dict(sorted(log.epochs.items())) | timed


def _csv(log: TrainingLog) -> str:
    target = io.StringIO()
    columns = _columns(log)
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([EPOCH, *columns])
    for i in range(log.count):
        values = [float(each[i]) for each in columns.values()]
        writer.writerow([i, *("NA" if np.isnan(value) else repr(value) for value in values)])
    return target.getvalue()


def _history(log: TrainingLog) -> str:
    columns = {name: [None if np.isnan(one) else one for one in each.tolist()] for name, each in _columns(log).items()}
    return json.dumps(columns, indent=1)


def _bars(log: TrainingLog) -> Iterator[str]:
    """Return the lines of Keras' progress bar as they are in a file that its output was redirected to."""
    steps, count = log.steps or 1, max(log.count, int(np.ceil(log.positions.max())) if log.positions.size else 0)
    number = np.maximum(np.ceil(log.positions - 1e-9), 1).astype(int)
    for epoch in range(1, count + 1):
        yield f"Epoch {epoch}/{count}\n"
        for i in np.flatnonzero(number == epoch):
            step = round(float(log.positions[i] - (epoch - 1)) * steps)
            told = _figures({name: float(values[i]) for name, values in log.batches.items()})
            if 0 < step < steps and told:
                yield f"{step:>{len(str(steps))}}/{steps} {_bar(step / steps)} - ETA: 0s{told}\n"
        if epoch <= log.count:
            row = {name: float(values[epoch - 1]) for name, values in log.epochs.items()}
            # Keras prints validation after training.
            told = _figures(dict(sorted(row.items(), key=lambda item: item[0].startswith(VALIDATION))))
            time = log.seconds[epoch - 1]
            spent = "" if np.isnan(time) else f" - {time:.0f}s {1000 * time / steps:.0f}ms/step"
            yield f"{steps}/{steps} {_bar(1)}{spent}{told}\n"


def _bar(share: float) -> str:
    done = int(share * _BAR_CHARACTERS)
    return "[" + "=" * done + ">" * (done < _BAR_CHARACTERS) + "." * (_BAR_CHARACTERS - done - 1) + "]"


def _figures(values: dict[str, float]) -> str:
    known = {name: value for name, value in values.items() if not np.isnan(value)}
    return "".join(
        f" - {name}: {value:.4f}" if abs(value) > 1e-3 else f" - {name}: {value:.4e}" for name, value in known.items()
    )
