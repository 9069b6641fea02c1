"""The check of a dataset before a training: findings about its images and, by a network, about its labels."""

import os
from collections.abc import Callable, Collection

import numpy as np

from imgrec.data import features, training_arrays
from imgrec.data.quality.checks import check
from imgrec.data.quality.label_errors import suspects
from imgrec.data.quality.report import Case, Diagnosis, Finding
from imgrec.data.quality.scan import scan
from imgrec.data.reader import read_images
from imgrec.data.sources import DATASETS, open_dataset
from imgrec.errors import ImageError, ImgrecError
from imgrec.files import is_there, typed_path
from imgrec.formatting import percent
from imgrec.images.decoding import DecodedImage
from imgrec.inference import preparation
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.settings import MIB, Settings

# The input size of most backbones.
DEFAULT_INPUT_PX = (224, 224)

# The smallest network with published weights that has a thousand classes: seconds for a thousand images.
DEFAULT_BACKBONE = "mobilenet"

# (stage, done, all); stages: "reading", "features".
OnProgress = Callable[[str, int, int], None]

# Where features predict labels hardly better than the largest class does, suspects mean nothing.
MIN_ADVANTAGE = 0.2

# A share of suspects that changes no comparison between networks.
FEW_SUSPECTS = 0.01

# Said because of keras-team/keras#2622: other code for validation than for training may lack one of its steps.
ONE_FEEDING = "Training, validation and test images share one decoder, one resizing and one preprocessing."

# What is read in two or three seconds: 10,000 small photos take 7 s of one core, and large ones longer.
GLANCE_IMAGES = 4_000
GLANCE_BYTES = 32 * MIB

NOT_READ = "Too many images for a quick check; `imgrec doctor` reads them all."


def examine(
    name_or_path: str,
    settings: Settings,
    *,
    input_size: tuple[int, int] = DEFAULT_INPUT_PX,
    backbone: str | None = DEFAULT_BACKBONE,
    on_progress: OnProgress = lambda stage, done, count: None,
) -> Diagnosis:
    """Return what is to be known of a dataset before a training; `name_or_path` as for `sources.open_dataset`.

    `input_size` (height, width) in px is that of the network to be trained. Label errors are looked for with the
    features of `backbone`; without one, or when it is not on this machine, the diagnosis notes that.

    Raises:
        InputError: There is nothing at the path, or it is no dataset at all.
    """
    found = open_dataset(name_or_path, settings)
    seen = scan(found, settings, input_size, lambda done, count: on_progress("reading", done, count))
    findings, passed = check(seen)
    not_made: list[str] = []
    reason = ""
    if backbone is None:
        reason = "."
    elif any(finding.severity == "stop" for finding in findings):
        reason = ": the dataset is not ready to train."
    elif preparation.state_of(spec := BUILT_IN.get_spec(backbone), settings) == "missing":
        reason = f": {spec.title} is not downloaded (imgrec fetch {backbone})."
    else:
        try:
            noise, fine, not_made = _label_errors(name_or_path, settings, spec, on_progress)
            findings += noise
            passed += fine
        except ImgrecError as error:
            reason = f": {error}"
    if reason:
        not_made = [f"Label errors were not checked{reason}"]
    path = typed_path(name_or_path)
    return Diagnosis(
        name=found.name,
        source=str(path) if is_there(path) else name_or_path,
        counts={label: (train, test) for label, (train, test) in seen.counts().items() if train},
        findings=tuple(findings),
        passed=(*passed, ONE_FEEDING),
        not_made=tuple(not_made),
    )


def glance(name_or_path: str, settings: Settings, *, input_size: tuple[int, int] = DEFAULT_INPUT_PX) -> Diagnosis:
    """Return what `examine` finds within seconds, without a look at the labels.

    Of more than `GLANCE_IMAGES` images or `GLANCE_BYTES` only the names are looked at, and `not_made` notes that; of
    arrays so large nothing. Raises as `examine`.
    """
    path = typed_path(name_or_path)
    if name_or_path not in DATASETS and is_there(path):
        if path.is_file() and path.suffix == ".npz":
            if path.stat().st_size > GLANCE_BYTES:
                return Diagnosis(path.stem, str(path), {}, (), not_made=(NOT_READ,))
        else:
            found = open_dataset(name_or_path, settings)
            files = [path / id_ for id_ in found.ids] if path.is_dir() else [path]
            if len(found) > GLANCE_IMAGES or sum(os.path.getsize(file) for file in files) > GLANCE_BYTES:
                seen = scan(found, settings, input_size, None)
                findings, passed = check(seen, unread=True)
                return Diagnosis(found.name, str(path), seen.counts(), tuple(findings), tuple(passed), (NOT_READ,))
    return examine(name_or_path, settings, input_size=input_size, backbone=None)


def look_up(name_or_path: str, files: Collection[str], settings: Settings) -> dict[str, DecodedImage]:
    """Return the images that a finding names, as far as they can be read; `name_or_path` as for `examine`."""
    found = read_images(open_dataset(name_or_path, settings).items(files), settings, lambda image: image)
    return {item.id: image for item, image in found if not isinstance(image, ImageError)}


def _label_errors(
    name_or_path: str, settings: Settings, spec: ModelSpec, on_progress: OnProgress
) -> tuple[list[Finding], list[str], list[str]]:
    """Return findings, a sentence where there are none, and a sentence where the features are of no use."""
    row = features.backbone_spec(spec)
    data = training_arrays.load(name_or_path, settings, row.input_size)
    found = features.extract(
        row, data.train, settings, on_progress=lambda done, count: on_progress("features", done, count)
    )
    targets = data.train.targets
    suspected = suspects(np.asarray(found.rows), targets)
    largest = np.bincount(targets).max() / len(targets)
    if suspected.agreement < largest + MIN_ADVANTAGE * (1 - largest):
        words = (
            f"Label errors cannot be detected: features of {spec.title} predict only {percent(suspected.agreement, 0)} "
            "of the labels, hardly more than the largest class does."
        )
        return [], [], [words]
    count = len(suspected.indices)
    if not count:
        return [], [f"No likely label errors (features of {spec.title})."], []
    files = data.files or tuple(f"train/{i:05d}" for i in range(len(targets)))
    cases = [
        Case((files[i],), f"labeled {data.classes[targets[i]]}, looks like {data.classes[predicted]}")
        for i, predicted in zip(suspected.indices.tolist(), suspected.predicted.tolist(), strict=True)
    ]
    sentence = (
        f"{count:,} of {len(targets):,} training images may be mislabeled, or are hard cases: review them. Features of "
        f"{spec.title} predict {percent(suspected.agreement, 1)} of the labels."
    )
    few = count < FEW_SUSPECTS * len(targets)
    return [Finding.of("label_noise", "note" if few else "warn", sentence, cases)], [], []
