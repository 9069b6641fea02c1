"""The dataset doctor: what is wrong with a set of labeled images, said before the first epoch.

Every image is read once, decoded by the one decoder, and leaves 0.9 kB behind: digest, size, format and a thumbnail,
on which all checks work. So the memory does not grow with the images, and a set that cannot be trained on at all
can still be examined. Label noise needs features of a network that is on this machine, and is looked for last.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from imgrec.data import archives, dataset
from imgrec.data.dataset import DataSet, Images
from imgrec.data.folders import lay_out
from imgrec.data.quality.checks import check
from imgrec.data.quality.label_errors import suspects
from imgrec.data.quality.report import Case, Diagnosis, Finding
from imgrec.data.quality.scan import Examined, percent
from imgrec.errors import ImageError, ImgrecError, InputError
from imgrec.images.decoding import DecodedImage
from imgrec.images.perceptual_hash import THUMBNAIL_SHAPE
from imgrec.images.preprocessing import frame
from imgrec.inference import preparation
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.models.downloads import Progress
from imgrec.settings import MIB, Settings

# What most backbones are given.
DEFAULT_INPUT_PX = (224, 224)

# The smallest network with published weights that knows a thousand things: seconds for a thousand images.
DEFAULT_BACKBONE = "mobilenet"

# (stage, done, all); stages: "reading", "features".
OnProgress = Callable[[str, int, int], None]

# Where the judge of labels is hardly better than always naming the largest class, its suspects mean nothing.
MIN_ADVANTAGE = 0.2

# A share of suspects that changes no comparison between networks.
FEW_SUSPECTS = 0.01

# For keras-team/keras#2622's trap: whoever feeds validation by other code than training can forget a step in one.
ONE_FEEDING = "Training, validation and test images share one decoder, one resizing and one preprocessing."

# What is read in two or three seconds at a glance: 10,000 small photos take 7 s of one core, and large ones longer.
GLANCE_IMAGES = 4_000
GLANCE_BYTES = 32 * MIB

NOT_READ = "Too many images for a quick check; `imgrec doctor` reads them all."

# Arrays of one call to a thread.
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is kept of one image."""

    digest: bytes
    size_px: tuple[int, int]
    format: str
    thumbnail: np.ndarray


def examine(
    name_or_path: str,
    settings: Settings,
    *,
    input_size: tuple[int, int] = DEFAULT_INPUT_PX,
    backbone: str | None = DEFAULT_BACKBONE,
    on_progress: OnProgress | None = None,
) -> Diagnosis:
    """What is to be known of a set before it is trained on.

    `name_or_path` as in `datasets.load`; `input_size` (height, width) in px is the network's. `backbone` names the
    network whose features judge the labels; without it, or when it is not on this machine, that check is not made,
    and the diagnosis says so. `on_progress` is told (stage, done, all), stages being "reading" and "features".

    Raises `InputError` when there is nothing at the path or it is not a set at all; what is wrong with a set is a
    finding.
    """
    tell = on_progress or _silent
    path = Path(name_or_path).expanduser()
    if name_or_path in dataset.DATASETS or path.suffix == ".npz":
        data = dataset.load(name_or_path, settings, progress=Progress())
        name, seen = data.name, _examine_arrays(data, input_size, tell)
    else:
        if not path.exists():
            raise InputError(
                f"Expected the name of a dataset ({', '.join(dataset.DATASETS)}), or the path of a folder of class "
                f"folders, a zip, a tar or an .npz file. Received: {name_or_path!r}."
            )
        name, seen = path.name.split(".")[0] or path.name, _examine_files(path, settings, input_size, tell)
    findings, passed = check(seen)
    noise, fine, not_made = _label_noise(name_or_path, settings, findings, backbone, tell)
    return Diagnosis(
        name=name,
        source=str(path) if path.exists() else name_or_path,
        counts={label: (train, test) for label, (train, test) in seen.counts().items() if train},
        findings=(*findings, *noise),
        passed=(*passed, *fine, ONE_FEEDING),
        not_made=tuple(not_made),
    )


def glance(name_or_path: str, settings: Settings, *, input_size: tuple[int, int] = DEFAULT_INPUT_PX) -> Diagnosis:
    """As `examine` without a look at the labels, within seconds; for whoever is about to start something else.

    Of a set of more than `GLANCE_IMAGES` or `GLANCE_BYTES` only the names are looked at, and `not_made` says so; of
    arrays so large nothing. Raises as `examine`.
    """
    path = Path(name_or_path).expanduser()
    if name_or_path in dataset.DATASETS or not path.exists() or (path.is_file() and path.suffix == ".npz"):
        if not path.exists() or path.stat().st_size <= GLANCE_BYTES:
            return examine(name_or_path, settings, input_size=input_size, backbone=None)
        return Diagnosis(path.stem, str(path), {}, (), not_made=(NOT_READ,))
    listing = archives.survey(path)
    layout = lay_out(path, listing.names, listing.empty)
    packed = [path] if path.is_file() else [path / name for name in layout.places]
    if len(layout.places) <= GLANCE_IMAGES and sum(file.stat().st_size for file in packed) <= GLANCE_BYTES:
        return examine(name_or_path, settings, input_size=input_size, backbone=None)
    labels = tuple(sorted({label for _, label in layout.places.values()}))
    index = {label: i for i, label in enumerate(labels)}
    seen = Examined(
        labels=labels,
        files=list(map(str, layout.places)),
        targets=np.array([index[label] for _, label in layout.places.values()], np.int64),
        is_test=np.array([part == "test" for part, _ in layout.places.values()], bool),
        unreadable=(),
        left_out=(*listing.left_out, *layout.left_out),
        input_size=input_size,
        missing=dataset.no_classes(sorted(set(layout.empty) - set(labels))),
        remarks=layout.remarks,
        **_columns([]),
    )
    findings, passed = check(seen, unread=True)
    return Diagnosis(path.stem, str(path), seen.counts(), tuple(findings), tuple(passed), (NOT_READ,))


def look_up(name_or_path: str, files: Collection[str], settings: Settings) -> dict[str, DecodedImage]:
    """The images that a finding names, as far as they can be read; `name_or_path` as for `examine`."""
    path = Path(name_or_path).expanduser()
    if name_or_path in dataset.DATASETS or path.suffix == ".npz":
        data = dataset.load(name_or_path, settings)
        parts = {"train": data.train, "test": data.test}
        named = ((file, *file.split("/")) for file in files)
        return {file: _as_decoded(part.pixels[int(i)]) for file, kind, i in named if (part := parts[kind])}
    wanted = {PurePosixPath(file) for file in files}
    found = dataset.read_each(path, wanted, settings, lambda image, _: image)
    return {str(name): image for name, image in found if not isinstance(image, ImageError)}


def _as_decoded(pixels: np.ndarray) -> DecodedImage:
    height, width = pixels.shape[:2]
    return DecodedImage(pixels, "PNG", hashlib.sha256(pixels.tobytes()).hexdigest(), (), (height, width))


def _look(image: DecodedImage, data: bytes) -> _Seen:
    thumbnail = frame(image, THUMBNAIL_SHAPE, 1.0, "squash")
    return _Seen(bytes.fromhex(image.sha256), image.size_px, image.format, thumbnail)


def _examine_files(path: Path, settings: Settings, input_size: tuple[int, int], tell: OnProgress) -> Examined:
    listing = archives.survey(path)
    layout = lay_out(path, listing.names, listing.empty)
    unreadable: list[tuple[str, str]] = []
    kept: list[tuple[PurePosixPath, _Seen]] = []
    for done, (name, found) in enumerate(dataset.read_each(path, layout.places.keys(), settings, _look), 1):
        if isinstance(found, ImageError):
            unreadable.append((str(name), str(found)))
        else:
            kept.append((name, found))
        tell("reading", done, len(layout.places))
    labels = tuple(sorted({layout.places[name][1] for name, _ in kept}))
    empty = {*layout.empty, *(label for _, label in layout.places.values())} - set(labels)
    index = {label: i for i, label in enumerate(labels)}
    return Examined(
        labels=labels,
        files=[str(name) for name, _ in kept],
        targets=np.array([index[layout.places[name][1]] for name, _ in kept], np.int64),
        is_test=np.array([layout.places[name][0] == "test" for name, _ in kept], bool),
        unreadable=tuple(unreadable),
        left_out=(*listing.left_out, *layout.left_out),
        input_size=input_size,
        missing=dataset.no_classes(sorted(empty)),
        remarks=layout.remarks,
        **_columns([seen for _, seen in kept]),
    )


def _columns(seen: list[_Seen]) -> dict[str, Any]:
    return {
        "digests": [image.digest for image in seen],
        "sizes_px": np.array([image.size_px for image in seen], np.int64).reshape(-1, 2),
        "formats": np.array([image.format for image in seen], np.str_),
        "thumbnails": np.array([image.thumbnail for image in seen], np.uint8).reshape(-1, *THUMBNAIL_SHAPE, 3),
    }


def _examine_arrays(data: DataSet, input_size: tuple[int, int], tell: OnProgress) -> Examined:
    parts = [(data.train, False), (data.test, True)]
    count = sum(len(part) for part, _ in parts if part is not None)
    seen: list[_Seen] = []
    with ThreadPoolExecutor(dataset.MAX_THREADS, thread_name_prefix="examining") as pool:
        for part, _ in parts:
            for looked in pool.map(_look_at_arrays, _chunks(part)):
                seen += looked
                tell("reading", len(seen), count)
    targets = np.concatenate([part.targets for part, _ in parts if part is not None])
    is_test = np.concatenate([np.full(len(part), test) for part, test in parts if part is not None])
    return Examined(
        labels=data.classes,
        # As `labeled` numbers them.
        files=[f"{'test' if test else 'train'}/{i:05d}" for part, test in parts if part for i in range(len(part))],
        targets=targets,
        is_test=is_test,
        unreadable=(),
        left_out=(),
        input_size=input_size,
        missing=data.missing,
        **_columns(seen),
    )


def _chunks(part: Images | None) -> Iterator[np.ndarray]:
    for start in range(0, len(part) if part else 0, _CHUNK):
        yield part.pixels[start : start + _CHUNK] if part else np.empty(0)


def _look_at_arrays(pixels: np.ndarray) -> list[_Seen]:
    height, width = pixels.shape[1:3]
    return [
        _Seen(
            hashlib.sha256(np.ascontiguousarray(image).data).digest(),
            (height, width),
            "array",
            frame(image, THUMBNAIL_SHAPE, 1.0, "squash"),
        )
        for image in pixels
    ]


def _label_noise(
    name_or_path: str, settings: Settings, findings: list[Finding], backbone: str | None, tell: OnProgress
) -> tuple[list[Finding], list[str], list[str]]:
    """Findings, sentences of what is fine, and sentences of what was not looked at."""
    if backbone is None:
        return [], [], ["Label errors were not checked."]
    if any(finding.severity == "stop" for finding in findings):
        return [], [], ["Label errors were not checked: the dataset is not ready to train."]
    spec = BUILT_IN.get_spec(backbone)
    if preparation.state_of(spec, settings) == "missing":
        return (
            [],
            [],
            [f"Label errors were not checked: {spec.title} is not downloaded (imgrec fetch {backbone})."],
        )
    return _judge(name_or_path, settings, spec, tell)


def _judge(
    name_or_path: str, settings: Settings, spec: ModelSpec, tell: OnProgress
) -> tuple[list[Finding], list[str], list[str]]:
    from imgrec.data import features

    try:
        row = features.backbone_spec(spec)
        data = dataset.load(name_or_path, settings, row.input_size)
        found = features.extract(
            row, data.train, settings, on_progress=lambda done, count: tell("features", done, count)
        )
    except ImgrecError as error:
        return [], [], [f"Label errors were not checked: {error}"]
    targets = data.train.targets
    judged = suspects(np.asarray(found.rows), targets)
    largest = np.bincount(targets).max() / len(targets)
    if judged.agreement < largest + MIN_ADVANTAGE * (1 - largest):
        words = (
            f"Label errors cannot be detected: features of {spec.title} predict only {percent(judged.agreement)} of "
            "the labels, hardly more than the largest class does."
        )
        return [], [], [words]
    count = len(judged.indices)
    if not count:
        return [], [f"No likely label errors (features of {spec.title})."], []
    files = data.files or tuple(f"train/{i:05d}" for i in range(len(targets)))
    cases = [
        Case((files[i],), f"labeled {data.classes[targets[i]]}, looks like {data.classes[says]}")
        for i, says in zip(judged.indices.tolist(), judged.says.tolist(), strict=True)
    ]
    sentence = (
        f"{count:,} of {len(targets):,} training images may be mislabeled, or are hard cases: review them. Features of "
        f"{spec.title} predict {percent(judged.agreement, 1)} of the labels."
    )
    few = count < FEW_SUSPECTS * len(targets)
    return [Finding.of("label_noise", "note" if few else "warn", sentence, cases)], [], []


def _silent(stage: str, done: int, count: int) -> None:
    """Who does not ask is told nothing."""
