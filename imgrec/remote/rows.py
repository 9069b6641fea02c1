"""What a service answers for many images: a row for each, the accuracy by class, and where the time went."""

import csv
import io
import json
import statistics
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imgrec.data.image_paths import ImageList
from imgrec.errors import ImageError
from imgrec.formatting import interval, milliseconds, percent
from imgrec.images.decoding import DecodedImage, decode
from imgrec.predictions.class_groups import ClassGroups
from imgrec.predictions.prediction import Classification, Failure
from imgrec.remote.classifier import RemoteClassifier, Timing
from imgrec.remote.own_classes import ScoredImage, roll_up, score, score_classes
from imgrec.settings import Settings


@dataclass(frozen=True, slots=True)
class Row:
    """One image: its labels, the surest first, or the `error`.

    `scored` is None without own classes. Images of one request have the same `timing`.
    """

    image: str
    labels: tuple[Classification, ...] = ()
    scored: ScoredImage | None = None
    timing: Timing | None = None
    error: str = ""


def ask(service: RemoteClassifier, images: ImageList, groups: ClassGroups | None, settings: Settings) -> Iterator[Row]:
    """Yield a row for each file as answers come; what is no image is not sent. Raises as the service does."""
    sent: deque[int] = deque()
    unreadable: deque[Row] = deque()

    def decoded() -> Iterator[DecodedImage]:
        for position, content in images.read(settings.max_upload_bytes):
            title = images.files[position].title
            if isinstance(content, str):
                unreadable.append(Row(title, error=content))
                continue
            try:
                image = decode(content, max_bytes=settings.max_upload_bytes, name=title)
            except ImageError as error:
                unreadable.append(Row(title, error=str(error)))
                continue
            sent.append(position)
            yield image

    for outcome in service.classify(decoded()):
        while unreadable:
            yield unreadable.popleft()
        position = sent.popleft()
        title = images.files[position].title
        if isinstance(outcome, Failure):
            yield Row(title, error=str(outcome.error))
            continue
        prediction = outcome.prediction
        scored = None
        if groups is not None:
            truth = _truth(images.words.get(position), groups)
            scored = score(title, truth, roll_up(prediction, groups))
        yield Row(title, tuple(prediction.top_k(len(prediction.probabilities))), scored, outcome.timing)
    yield from unreadable


def summary(rows: Sequence[Row]) -> list[str]:
    """Return sentences: the accuracy of each true class with its interval, and the times of the requests."""
    sentences = []
    for found in score_classes([row.scored for row in rows if row.scored is not None]):
        sure = "" if found.least is None or found.most is None else f"; {_range(found.least, found.most)} sure"
        bounds = interval(found.interval.low, found.interval.high)
        sentences.append(
            f"{found.name}: {found.right:,} of {found.images:,} right, {percent(found.right / found.images)} "
            f"({bounds}){sure}"
        )
    timings = list(dict.fromkeys(row.timing for row in rows if row.timing is not None))
    if timings:
        total_ms = [one.total_ms / one.images for one in timings]
        sentence = f"{milliseconds(statistics.median(total_ms))} an image, median of {len(timings)} requests"
        told = [one for one in timings if one.server_ms is not None and one.network_ms is not None]
        if told:
            server_ms = statistics.median((one.server_ms or 0) / one.images for one in told)
            network_ms = statistics.median((one.network_ms or 0) / one.images for one in told)
            sentence += f": {milliseconds(server_ms)} in the service, {milliseconds(network_ms)} on the network"
        sentences.append(sentence)
    return sentences


def to_json(rows: Sequence[Row], k: int) -> str:
    """Return the rows as a list of objects, with the `k` surest labels of each."""
    return json.dumps([_to_dict(row, k) for row in rows], ensure_ascii=False, indent=2)


def to_csv(rows: Sequence[Row], k: int) -> str:
    """Return one line for each label of each image, or for the error."""
    columns = ("image", "rank", "label", "confidence", "truth", "answer", "right", "error")
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        scored = row.scored
        about = ("", "", "") if scored is None else (scored.truth or "", scored.answer or "", scored.is_right)
        for rank, label in enumerate(row.labels[:k], 1):
            writer.writerow((row.image, rank, label.label, f"{label.probability:.6f}", *about, ""))
        if row.error:
            writer.writerow((row.image, "", "", "", *about, row.error))
    return buffer.getvalue()


def to_table(row: Row, k: int) -> str:
    """Return the row as a line: "cat.jpg: Cat 99.0 %, Skin 92.0 % → cat, right"."""
    if row.error:
        return f"{row.image}: {row.error}"
    labels = ", ".join(f"{one.label} {_plain(percent(one.probability))}" for one in row.labels[:k])
    if row.scored is None:
        return f"{row.image}: {labels}"
    result = {True: ", right", False: ", wrong", None: ""}[row.scored.is_right]
    return f"{row.image}: {labels} → {row.scored.answer or 'none of the classes'}{result}"


def _to_dict(row: Row, k: int) -> dict[str, object]:
    found: dict[str, object] = {"image": row.image}
    if row.error:
        return found | {"error": row.error}
    found["labels"] = [{"label": one.label, "confidence": round(one.probability, 6)} for one in row.labels[:k]]
    if row.scored is not None:
        scored = row.scored
        found |= {"truth": scored.truth, "answer": scored.answer, "right": scored.is_right}
    if row.timing is not None:
        timing = row.timing
        found["request"] = {
            "images": timing.images,
            "attempts": timing.attempts,
            "total_ms": round(timing.total_ms, 1),
            "server_ms": timing.server_ms,
            "network_ms": None if timing.network_ms is None else round(timing.network_ms, 1),
        }
    return found


def _truth(word: str | None, groups: ClassGroups) -> str | None:
    """Return the group that a folder or a row of labels.csv names; None for another word."""
    if word is None:
        return None
    return next((group.name for group in groups.groups if group.has(None, word)), None)


def _range(least: float, most: float) -> str:
    return percent(least) if percent(least) == percent(most) else f"{percent(least)} to {percent(most)}"


def _plain(text: str) -> str:
    """Return text for a terminal, which may show a thin space as a box."""
    return text.replace("\u202f", " ")
