"""Accuracy on a labeled dataset over the strength of damage: rows of a file beside the other measurements.

    assets/benchmarks/corruptions.json      one row for each model and dataset, sorted

A row has counts of correct first choices, so that any mean and interval follows from it. All models are given the same
damaged images.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from imgrec import json_files
from imgrec.data.classes import scoring
from imgrec.data.dataset import Dataset, Item
from imgrec.data.reader import decode, framed_for, read_ahead
from imgrec.errors import ImageError, ImgrecError, InputError, WeightsError
from imgrec.explanation.corruptions import CORRUPTIONS, SIDE_PX, STRENGTHS, corrupt, seed_of
from imgrec.files import is_missing, replacing, sole_holder
from imgrec.images import transforms
from imgrec.images.preprocessing import FRAMINGS
from imgrec.inference import conversion
from imgrec.inference.preparation import Preparations
from imgrec.metrics.significance import Interval, wilson
from imgrec.models import weights
from imgrec.models.catalog import ModelSpec
from imgrec.settings import Settings

FILE = "corruptions.json"

# Counted up when corruptions, or the meaning of a field, change: rows of different versions are not comparable.
VERSION = 1

OnProgress = Callable[[int, int], None]

# A damaged copy of an image: (kind, strength), and strength 0 for the image itself.
_CLEAN = ("", 0)
COPIES = (_CLEAN, *((kind, strength) for kind in CORRUPTIONS for strength in STRENGTHS))


@dataclass(frozen=True, slots=True)
class SeverityRow:
    """What one model made of damaged images.

    `clean` is the number of `images` with a correct first choice without damage, `correct` has the same by kind for the
    five strengths. `base` names the dataset without the limit `per_class`.
    """

    model: str
    title: str
    dataset: str
    base: str
    images: int
    clean: int
    correct: dict[str, list[int]]
    framing: str
    side_px: int
    dataset_digest: str
    per_class: int | None
    source: str
    flaws: list[str]
    weights_sha256: str
    versions: dict[str, str]
    measured_at: str
    command: str

    def accuracy(self, strength: int, kind: str | None = None) -> float:
        """Return the share of correct first choices at this strength; without `kind`, the mean over all kinds."""
        if strength == 0:
            return self.clean / self.images
        kinds = list(self.correct) if kind is None else [kind]
        return float(np.mean([self.correct[one][strength - 1] for one in kinds])) / self.images

    def interval(self, strength: int, kind: str | None = None) -> Interval:
        """Return the 95 % Wilson interval of `accuracy`, of so many images: damage does not make them more."""
        return wilson(round(self.accuracy(strength, kind) * self.images), self.images)


def measure_severity(
    spec: ModelSpec,
    labeled: Dataset,
    settings: Settings,
    folder: Path,
    *,
    framing: str = "crop",
    command: str = "",
    on_progress: OnProgress = lambda done, of: None,
) -> SeverityRow:
    """Measure `spec` on `labeled`, undamaged and with each damage; put the row into `folder` and return it.

    Images that cannot be read are left out. `on_progress` is called with (done, all) after each image.

    Raises:
        LabelSpaceError: Before any work, if the classes of the dataset are not those of the model.
        InputError: On a framing, or if no image can be read. What fetching, converting and predicting raise is
            passed on.
    """
    from imgrec.inference.openvino_engine import stream

    if framing not in FRAMINGS:
        raise InputError(f"Expected one of the framings {', '.join(FRAMINGS)}. Received: {framing!r}.")
    space = spec.get_label_space()
    label_map = scoring(space, labeled.label_space, labeled.groups)
    compiled = Preparations(settings).ensure(spec)
    digest = weights.identity(spec, settings)
    if digest is None:
        raise WeightsError(f"Expected the weights of {spec.title} on this machine. Received: none.")
    correct = dict.fromkeys(COPIES, 0)
    read: set[int] = set()
    inputs = _inputs(spec, labeled, settings, framing, read, on_progress)
    for (target, copy), probabilities in stream(compiled, inputs):
        row = probabilities if label_map is None else label_map.apply(probabilities[np.newaxis])[0]
        correct[copy] += int(row.argmax()) == target
    if not read:
        raise InputError(f"Expected readable images in {labeled.name}. Received: none.")
    row = SeverityRow(
        model=spec.name,
        title=spec.title,
        dataset=labeled.name,
        base=labeled.name.removesuffix(f"_first_{labeled.per_class}"),
        images=len(read),
        clean=correct[_CLEAN],
        correct={kind: [correct[kind, strength] for strength in STRENGTHS] for kind in CORRUPTIONS},
        framing=framing,
        side_px=SIDE_PX,
        dataset_digest=labeled.digest,
        per_class=labeled.per_class,
        source=labeled.source,
        flaws=list(labeled.flaws),
        weights_sha256=digest,
        versions=dict(conversion.versions()),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
    )
    _put(folder, row)
    return row


def read_rows(folder: Path) -> list[SeverityRow]:
    """Return the rows in `folder`; none where there is no file. Raises `InputError` on any other file."""
    path = folder / FILE
    try:
        found = json_files.read(path)
    except ImgrecError as error:
        if is_missing(error):
            return []
        raise
    version, listed = (found.get("version"), found.get("rows")) if isinstance(found, dict) else (None, None)
    if version != VERSION:
        raise InputError(
            f"Expected {path} in version {VERSION} of the format. Received: {version!r:.60}; measure again."
        )
    if not isinstance(listed, list):
        raise InputError(f"Expected a list of rows in {path}. Received: none. Move it away, measure again.")
    rows = [json_files.to_row(SeverityRow, row, str(path)) for row in listed]
    if all(row.images > 0 and set(row.correct) == set(CORRUPTIONS) and _are_counts(row) for row in rows):
        return rows
    reason = "a row without images, or with other kinds of damage"
    raise InputError(
        f"Expected {path} to be a file that imgrec wrote. Received: {reason}. Move it away, measure again."
    )


def _are_counts(row: SeverityRow) -> bool:
    """Return whether all counts are of the images of the row, one for each strength."""
    counts = [[row.clean], *row.correct.values()]
    lengths = {len(one) for one in row.correct.values()}
    return lengths == {len(STRENGTHS)} and all(0 <= count <= row.images for one in counts for count in one)


def _inputs(
    spec: ModelSpec, labeled: Dataset, settings: Settings, framing: str, read: set[int], on_progress: OnProgress
) -> Iterator[tuple[tuple[int, tuple[str, int]], np.ndarray]]:
    """Yield ((target, copy), input of the network) for each copy of each image; add its position to `read`."""

    def prepare(entry: tuple[int, Item]) -> tuple[int, int, list[np.ndarray]]:
        position, item = entry
        try:
            pixels = transforms.reduce(decode(item, settings).pixels, SIDE_PX)
        except ImageError:
            return position, item.target, []
        seed = seed_of(item.id)
        return position, item.target, [framed_for(corrupt(pixels, *copy, seed), spec, framing) for copy in COPIES]

    for position, target, views in read_ahead(enumerate(labeled.items()), prepare):
        if views:
            read.add(position)
        yield from (((target, copy), view) for copy, view in zip(COPIES, views, strict=bool(views)))
        on_progress(position + 1, len(labeled))


def _put(folder: Path, row: SeverityRow) -> None:
    """Put a row into the file, instead of an earlier one of its model and dataset; several processes may do so."""
    with sole_holder(folder / f".{FILE}.lock", lambda: None):
        rows: Mapping[Any, SeverityRow] = {(other.dataset, other.model): other for other in read_rows(folder)}
        rows = {**rows, (row.dataset, row.model): row}
        with replacing(folder / FILE) as beside:
            text = json.dumps(
                {"version": VERSION, "rows": [asdict(rows[key]) for key in sorted(rows)]},
                indent=1,
                ensure_ascii=False,
                sort_keys=True,
            )
            beside.write_text(text + "\n", encoding="utf-8")
