"""A model of the machine's owner, from a file of any format, examined and added to the catalog.

    examine   a file → `Examined`: what the network takes and gives, in a folder of its own
    predict   the probabilities of images with each preprocessing, to find the right one
    add       the network and its card into IMGREC_HOME/models/

Never for a file of a visitor: pages and the API do not import this module. The file is read in a worker process with
limits (`import_worker`), after `model_formats` has looked at its container.
"""

import importlib.metadata
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from imgrec.errors import ConversionError, CorruptWeightsError, InputError, UnknownNameError, shortened
from imgrec.files import check_disk, opened, storage_errors
from imgrec.images.preprocessing import PREPROCESS
from imgrec.inference import child_process
from imgrec.models import cards, ir_file, model_formats
from imgrec.models.card_fields import is_plain
from imgrec.models.catalog import check_name
from imgrec.models.model_formats import FORMATS, ModelFile
from imgrec.predictions.labels import LABEL_SPACES, LabelSpace, get_label_space, space_name
from imgrec.settings import MIB, Settings

# The arguments of Python that start the worker process.
WORKER = ("-m", "imgrec.inference.import_worker")

# The processor time is limited in the worker; this is for one that waits for something.
TIMEOUT_S = 30 * 60.0

CHANNELS = ("rgb", "bgr")

# Of labels one a line: 100,000 classes with long names.
MAX_LABELS_BYTES = 8 * MIB

OnStage = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Examined:
    """A network that can be used: its file, what it takes and gives, and the folder with it as OpenVINO's.

    Attributes:
        file: The file that was examined.
        folder: Where `network.xml` is, until the block of `examine` ends.
        input_size: (height, width) in px.
        layout: NHWC or NCHW, as the file has it.
        input_type: float32, float16 or uint8.
        classes: The number of outputs.
        outputs: "probabilities" or "logits"; a softmax was added to logits.
        modes: The keys of `PREPROCESS` with which its answers are numbers.
        parameters: The numbers that it has learned.
        has_feature_map: Whether maps from its last feature map can be made.
    """

    file: ModelFile
    folder: Path
    input_size: tuple[int, int]
    layout: str
    input_type: str
    classes: int
    outputs: str
    modes: tuple[str, ...]
    parameters: int
    has_feature_map: bool


@contextmanager
def examine(
    name: str | Path, *, input_size: tuple[int, int] | None = None, on_stage: OnStage = lambda stage: None
) -> Iterator[Examined]:
    """Yield what the model in the file or folder called `name` is; its network is kept for the block.

    `input_size`, (height, width) in px, is for a network that leaves it open. `on_stage` is called with each step.

    Raises:
        InputError: There is no such file, or its name is that of no format.
        CorruptWeightsError: The file is not what it should be, or does more than compute.
        ConversionError: The network is no classifier of color images, or needs more than its file may take.
        StorageError: The disk is full, or the file cannot be read.
    """
    on_stage("checking the file")
    file = model_formats.check(name)
    with tempfile.TemporaryDirectory(prefix="imgrec-model-") as temporary:
        folder = Path(temporary)
        check_disk(folder, 3 * file.size_bytes, f" to read {file.path.name}")
        answer = _ask(
            "examine",
            file,
            folder,
            {"path": str(file.path), "input_size": input_size},
            last_key="has_feature_map",
            on_answer=lambda answer: on_stage(str(answer["stage"])) if "stage" in answer else None,
        )
        yield _examined(file, folder, answer)


def _examined(file: ModelFile, folder: Path, answer: dict[str, Any]) -> Examined:
    height, width = answer.pop("input_size")
    modes = tuple(answer.pop("modes"))
    try:
        ir_file.check(folder / "network.xml")
    except ValueError as error:
        raise ConversionError(f"Expected a network of OpenVINO's own operations. Received: {error}.") from error
    return Examined(file=file, folder=folder, input_size=(height, width), modes=modes, **answer)


def predict(
    model: Examined,
    images: np.ndarray,
    trials: Sequence[tuple[str, bool]],
    on_progress: Callable[[int, int], None] = lambda done, count: None,
) -> np.ndarray:
    """Return the probabilities of `images` with each preprocessing.

    Args:
        model: Within the block of `examine`.
        images: uint8 (N, height, width, 3) in RGB.
        trials: (key of `PREPROCESS`, whether the network gets the channels in the other order).
        on_progress: Is called with how many trials of how many are done.

    Returns:
        float32 (trials, N, classes).
    """
    with storage_errors(model.folder):
        np.save(model.folder / "images.npy", images)
    _ask(
        "predict",
        model.file,
        model.folder,
        {"trials": list(trials)},
        last_key="done",
        on_answer=lambda answer: on_progress(int(str(answer["tried"])), len(trials)) if "tried" in answer else None,
    )
    found: np.ndarray = np.load(model.folder / "probabilities.npy")
    return found


def read_labels(path: Path, classes: int) -> LabelSpace:
    """Return the label space of a text file with one class a line, in the order of the outputs.

    The lines may be WordNet ids of ImageNet's classes. Raises `InputError` where they are not as many as `classes`, or
    cannot be shown, `StorageError`.
    """
    with opened(path) as file:
        data = file.read(MAX_LABELS_BYTES + 1)
    try:
        lines = data[:MAX_LABELS_BYTES].decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"Expected one class a line in UTF-8 in {path}. Received: no text.") from None
    while lines and not lines[-1].strip():
        lines.pop()
    labels = tuple(line.strip() for line in lines)
    if len(labels) != classes or len(data) > MAX_LABELS_BYTES:
        raise InputError(
            f"Expected {classes:,} lines in {path}, one for each output of the network. Received: {len(labels):,}."
        )
    imagenet = get_label_space("imagenet_1k")
    if labels in (imagenet.synsets, imagenet.labels):
        return imagenet
    if odd := [label for label in labels if not is_plain(label)]:
        raise InputError(f"Expected names of classes without markup in {path}. Received: {shortened(odd[0])!r}.")
    if len(set(labels)) < len(labels):
        twice = next(label for place, label in enumerate(labels) if label in labels[:place])
        raise InputError(f"Expected each class once in {path}. Received: {shortened(twice)!r} twice.")
    name = space_name(labels)
    return get_label_space(name) if name in LABEL_SPACES else LabelSpace(name, labels, (None,) * len(labels))


def default_labels(classes: int) -> LabelSpace:
    """Return ImageNet's classes for a network with as many outputs; raises `InputError` for any other number."""
    imagenet = get_label_space("imagenet_1k")
    if classes == len(imagenet.labels):
        return imagenet
    more = ""
    if classes == len(imagenet.labels) + 1:
        more = " These may be ImageNet's with a class for the background first: write that name in the first line."
    raise InputError(f"Expected --labels with the names of the {classes:,} outputs, one a line. Received: none.{more}")


def add(
    model: Examined,
    space: LabelSpace,
    settings: Settings,
    *,
    preprocess: str,
    channels: str | None = None,
    name: str | None = None,
    title: str | None = None,
    crop_fraction: float = 0.875,
    license: str = "not stated",
    chosen_by: dict[str, Any] | None = None,
) -> cards.Card:
    """Put the network and its card into the catalog, and return the card; whole or not at all.

    Args:
        model: Within the block of `examine`.
        space: The classes in the order of the outputs.
        settings: Where models are kept.
        preprocess: A key of `PREPROCESS`.
        channels: "rgb" or "bgr", as the network expects them; None for the order of `preprocess`.
        name: In the catalog; by default from the name of the file.
        title: On screens; by default the name of the file.
        crop_fraction: In (0, 1], as `ModelSpec`.
        license: Of the weights.
        chosen_by: How the preprocessing was found, for the card; None where it was given.

    Raises:
        UnknownNameError: There is no such preprocessing or order of channels.
        InputError: The name is taken or cannot be one, or the preprocessing does not fit the network.
        ConversionError, StorageError: The network cannot be written.
    """
    if preprocess not in PREPROCESS:
        raise UnknownNameError.of("preprocessing mode", preprocess, list(PREPROCESS))
    if channels is not None and channels not in CHANNELS:
        raise UnknownNameError.of("order of channels", channels, list(CHANNELS))
    if preprocess not in model.modes:
        raise InputError(
            f"Expected one of the preprocessing modes {', '.join(model.modes)}, with which the network answers in "
            f"numbers. Received: {preprocess}."
        )
    path = _place(model, name, settings)
    own_order = CHANNELS[PREPROCESS[preprocess].reverse_channels]
    network = model.folder / "network.xml"
    if (channels or own_order) != own_order:
        _ask("reverse", model.file, model.folder, {}, last_key="done")
        network = model.folder / "reversed.xml"
    fields = {
        "model": {
            "name": path.stem,
            "title": title or model.file.path.stem[:80],
            "architecture": FORMATS[model.file.format].title,
            "input_size": list(model.input_size),
            "preprocess": preprocess,
            "crop_fraction": crop_fraction,
            "label_space": space.name,
            "parameters": model.parameters,
            "licence": license,
        },
        "classes": list(space.labels),
        "imported": {
            "format": FORMATS[model.file.format].title,
            "file": model.file.path.name,
            "sha256": model.file.sha256(),
            "size_bytes": model.file.size_bytes,
            "layout": model.layout,
            "input_type": model.input_type,
            "outputs": model.outputs,
            "softmax_added": model.outputs == "logits",
            "channels": channels or own_order,
            "preprocessing_chosen_by": chosen_by or "given",
        },
        "versions": {package: importlib.metadata.version(package) for package in ("openvino", "keras")},
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return _publish(path, fields, network)


def _place(model: Examined, name: str | None, settings: Settings) -> Path:
    """Return where the card of the model will be."""
    if name is None:
        plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in model.file.path.stem.lower()).strip("_")
        plain = plain[:100] if plain[:1].isalpha() else f"model_{plain}"[:100]
        name = cards.free_name(plain.rstrip("_"), settings)
    check_name(name)
    if name in cards.load_catalog(settings) or (cards.home(settings) / f"{name}.json").exists():
        raise InputError(f"Expected a name that no model has yet. Received: {name}; imgrec remove {name} frees it.")
    return cards.home(settings) / f"{name}.json"


def _publish(path: Path, fields: dict[str, Any], network: Path) -> cards.Card:
    """Write the network, and then its card, which makes the model known."""
    weights = path.with_suffix(".zip")
    with storage_errors(weights):
        path.parent.mkdir(parents=True, exist_ok=True)
        check_disk(path.parent, network.with_suffix(".bin").stat().st_size + MIB)
        part = weights.with_name(f".{weights.name}.part")
        try:
            ir_file.pack(network, part)
            part.replace(weights)
        finally:
            part.unlink(missing_ok=True)
    try:
        return cards.write(path, fields)
    except BaseException:
        path.unlink(missing_ok=True)
        weights.unlink(missing_ok=True)
        raise


def _ask(
    task: str,
    file: ModelFile,
    folder: Path,
    request: dict[str, Any],
    *,
    last_key: str,
    on_answer: Callable[[dict[str, object]], None] = lambda answer: None,
) -> dict[str, Any]:
    """Have a worker do a task; one that dies, by a limit or by a library, is a sentence about the file."""
    try:
        return child_process.ask(
            WORKER,
            {"task": task, "folder": str(folder), "size_bytes": file.size_bytes, **request},
            backend="openvino",
            timeout_s=TIMEOUT_S,
            purpose=f"the {FORMATS[file.format].title} model {file.path.name} to be read",
            memory_bytes=1000 * MIB + 6 * file.size_bytes,
            last_key=last_key,
            on_answer=on_answer,
        )
    except CorruptWeightsError:
        raise
    except ConversionError as error:
        if "exit code -" not in str(error):  # of a signal; any other is a bug, with its last words
            raise
        raise ConversionError(
            f"Expected {file.path.name} to be read within the memory and time that a file of its size may take. "
            "Received: a process that ended; the file is damaged, or made to be too large."
        ) from error
