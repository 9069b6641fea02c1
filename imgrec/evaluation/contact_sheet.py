"""A contact sheet: many images at a glance, each with the first choice of every model and their common answer.

Images are decoded once for all models, a few ahead, and classified in blocks by the pool that serves single images, so
that a sheet keeps to its memory budget and other requests come in between. Of an image only a thumbnail and a row of
figures are kept.
"""

import logging
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from imgrec.data.classes import in_words
from imgrec.data.image_paths import ImageList
from imgrec.data.reader import framed_for, read_ahead
from imgrec.errors import ImageError, ImgrecError, LabelSpaceError
from imgrec.evaluation.true_classes import TrueClasses, match_classes
from imgrec.images import decoding
from imgrec.inference.pool import EnginePool
from imgrec.inference.request import Options
from imgrec.models.catalog import ModelSpec
from imgrec.predictions import ensembles
from imgrec.predictions.ensembles import Ensemble
from imgrec.predictions.prediction import Classification, Failure, Prediction
from imgrec.reports.sentences import is_none_of_these, is_unsure, label_of
from imgrec.settings import Settings

# Images that one model classifies before the next model does: enough that a model that does not fit into the memory
# beside the others is not loaded for each image. The first rows come sooner.
BLOCK = 16
FIRST_BLOCK = 4

# A tile is shown at about this size.
THUMBNAIL_PX = 160

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """What the models say of one image.

    `choices` has the first choice of each model that answered, `failures` the sentence of each other one. `answer` is
    that of the ensemble of `members`: the models of one label space, the largest where there are several. `agreeing` of
    them have its first choice; `disagreement`, in [0, 1], and the bits are as of `ensembles.Uncertainty`. `truth` is
    the true class and `target` its index, None where it is not known. Of an image that cannot be used there is only the
    `error`.
    """

    position: int
    image: str
    sha256: str | None = None
    thumbnail: bytes = field(default=b"", repr=False)
    choices: Mapping[str, Classification] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    answer: Classification | None = None
    members: tuple[str, ...] = ()
    agreeing: int = 0
    disagreement: float = 0.0
    mutual_information_bits: float = 0.0
    entropy_bits: float = 0.0
    is_unsure: bool = False
    truth: str | None = None
    target: int | None = None
    error: str | None = None

    @property
    def is_right(self) -> bool | None:
        """Whether the answer is the true class; None where one of them is not known."""
        return None if self.target is None or self.answer is None else self.answer.index == self.target


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An image as the models need it: `inputs` are uint8 (H, W, 3), by input size and crop fraction."""

    position: int
    sha256: str
    thumbnail: bytes
    inputs: Mapping[tuple[tuple[int, int], float], np.ndarray]


def classify_images(
    images: ImageList, options: Options, pool: EnginePool, settings: Settings, truth: TrueClasses | None = None
) -> Generator[Row, None, None]:
    """Yield the row of each image in order. A model that fails is not asked again; its sentence is in each row."""
    shapes = {(spec.input_size, spec.crop_fraction): spec for spec in options.specs}

    def prepare(entry: tuple[int, bytes | str]) -> _Prepared | Row:
        position, data = entry
        title = images.files[position].title
        if isinstance(data, str):
            return Row(position, title, error=data)
        try:
            image = decoding.decode(data, max_bytes=settings.max_upload_bytes, name=title)
            inputs = {shape: framed_for(image, spec, options.framing) for shape, spec in shapes.items()}
        except ImageError as error:
            return Row(position, title, error=str(error))
        return _Prepared(position, image.sha256, decoding.thumbnail(image, THUMBNAIL_PX), inputs)

    failures: dict[str, Failure] = {}
    # The next blocks are decoded during the inferences of this one.
    prepared = read_ahead(images.read(settings.max_upload_bytes), prepare, ahead=3 * BLOCK)
    size = FIRST_BLOCK
    while block := list(islice(prepared, size)):
        size = BLOCK
        usable = [one for one in block if isinstance(one, _Prepared)]
        outcomes = _outcomes(usable, options.specs, pool, failures)
        for one in block:
            if isinstance(one, Row):
                yield one
            else:
                yield _row(one, images.files[one.position].title, outcomes[one.position], options, truth)


def _outcomes(
    block: Sequence[_Prepared], specs: Sequence[ModelSpec], pool: EnginePool, failures: dict[str, Failure]
) -> dict[int, list[Prediction | Failure]]:
    """Return the outcomes of all models by position; a model that fails is added to `failures`."""
    found: dict[int, list[Prediction | Failure]] = {one.position: [] for one in block}
    for spec in specs if block else ():
        if spec.name not in failures:
            batch = np.stack([one.inputs[spec.input_size, spec.crop_fraction] for one in block])
            try:
                probabilities, milliseconds = pool.predict(spec, batch)
                sha256 = pool.identify(spec)
            except ImgrecError as error:
                failures[spec.name] = Failure(spec.name, error, spec.title)
            else:
                space, each = spec.get_label_space(), milliseconds / len(block)
                for one, row in zip(block, probabilities, strict=True):
                    found[one.position].append(
                        Prediction(spec.name, space, row, each, title=spec.title, weights_sha256=sha256)
                    )
                continue
        for one in block:
            found[one.position].append(failures[spec.name])
    return found


def _row(
    one: _Prepared, title: str, outcomes: list[Prediction | Failure], options: Options, truth: TrueClasses | None
) -> Row:
    target = truth.targets.get(one.position) if truth else None
    if truth is None:
        outcomes = list(map(options.roll_up, outcomes))
    else:
        outcomes = [truth.count(each) if isinstance(each, Prediction) else each for each in outcomes]
    predictions = [outcome for outcome in outcomes if isinstance(outcome, Prediction)]
    members = _largest_group(predictions)
    combined = options.combine(members, None if truth is None else truth.count)
    failed = {each.model: str(each.error) for each in outcomes if isinstance(each, Failure)}
    choices = {prediction.model: _first(prediction) for prediction in predictions}
    known = label_of(truth.label_space, target) if truth is not None and target is not None else None
    if not isinstance(combined, Ensemble):
        error = str(combined.error) if combined else next(iter(failed.values()), "No model answered.")
        return Row(
            one.position, title, one.sha256, one.thumbnail, choices, failed, truth=known, target=target, error=error
        )
    answer, uncertainty = _first(combined.prediction), combined.uncertainty
    return Row(
        one.position,
        title,
        one.sha256,
        one.thumbnail,
        choices,
        failed,
        answer,
        tuple(member.model for member in members),
        sum(choices[member.model].index == answer.index for member in members),
        uncertainty.disagreement,
        uncertainty.mutual_information_bits,
        uncertainty.entropy_bits,
        _is_unsure(combined),
        known,
        target,
    )


def _largest_group(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Return the predictions of the label space with most of them, the first of several."""
    return max(ensembles.by_label_space(predictions).values(), key=len, default=[])


def _first(prediction: Prediction) -> Classification:
    """Return the first choice, with a label that tells classes of one name apart."""
    first = prediction.first
    label = label_of(prediction.label_space, first.index)
    return Classification(label, first.synset, first.index, first.probability)


def _is_unsure(ensemble: Ensemble) -> bool:
    """Whether the entropy is above the limit of the classes or of these networks; without one, whether it is high."""
    for beyond in (is_none_of_these(ensemble), is_unsure(ensemble)):
        if beyond is not None:
            return beyond
    return ensemble.uncertainty.level == "high"


def _unjudged(words: Mapping[int, str], truth: TrueClasses) -> list[str]:
    """Return the sentence on images whose word is no class, if there are any."""
    left_out = [word for place, word in words.items() if place not in truth.targets]
    if not left_out:
        return []
    images = "1 image is" if len(left_out) == 1 else f"{len(left_out):,} images are"
    return [f"{in_words(sorted(set(left_out)))}: no class of these models; {images} neither right nor wrong."]


class ContactSheet:
    """A contact sheet that is computed in a thread of its own; every attribute may be read by any thread.

    `rows` grow while it `is_running`. `remarks` are sentences on what is left out, `error` the one that ended it.
    `truth` is None where the true classes are not known, or are not those of the models.
    """

    def __init__(self, images: ImageList, options: Options, pool: EnginePool, settings: Settings) -> None:
        self.images = images
        self.options = options
        self.rows: list[Row] = []
        self.remarks = list(images.remarks)
        self.error: str | None = None
        self.truth: TrueClasses | None = None
        try:
            if images.words and options.specs:
                self.truth = match_classes(images.words, options.specs, options.classes)
                self.remarks += _unjudged(images.words, self.truth)
        except LabelSpaceError:
            if len(set(images.words.values())) > 1:  # one folder says where images are from, not what they show
                names = in_words(sorted(set(images.words.values())))
                self.remarks.append(f"Right or wrong is not told: {names} are not classes of these models.")
        self._pool, self._settings = pool, settings
        self._canceled = threading.Event()
        self._started_at = self._ended_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="contact-sheet", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._started_at = time.monotonic()
        self._thread.start()

    def cancel(self) -> None:
        """Stop after the images that are being classified; what is there stays."""
        self._canceled.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended, and return whether it has."""
        self._thread.join(timeout_s)
        return not self.is_running

    @property
    def is_running(self) -> bool:
        """Whether rows are still to come."""
        return self._thread.is_alive()

    @property
    def is_canceled(self) -> bool:
        """Whether it was canceled before its end."""
        return self._canceled.is_set() and len(self.rows) < len(self.images)

    @property
    def seconds(self) -> float:
        """The time that it has taken."""
        return (time.monotonic() if self.is_running else self._ended_at) - self._started_at

    def _run(self) -> None:
        try:
            found = classify_images(self.images, self.options, self._pool, self._settings, self.truth)
            with closing(found):
                for row in found:
                    self.rows.append(row)
                    if self._canceled.is_set():
                        break
        except ImgrecError as error:
            self.error = str(error)
        except Exception:  # a bug: in the log, and said on the page
            _log.exception("a contact sheet")
            self.error = "Something went wrong here; it is in the log of the server."
        finally:
            self._ended_at = time.monotonic()
