"""Comparison tables as others printed them, to stand beside what is measured here.

Printed figures are quoted, never mixed with measured ones; what is computed from them is called so. Where a report
contradicts itself, both figures are shown. `measured_as` names the model of the catalog (bundled or trained at
home) that repeats a row, if there is one, and `measured_on` the set on which it did.

Repetitions of whole protocols (folds, learning rates) come as files, one table each: see `read_measured`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imgrec.errors import InputError
from imgrec.metrics.confusion import ClassFigures, figures_of_counts


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """`rows` have one cell for each of `columns`; `measured_as` one entry for each row.

    `by_class`: accuracy was printed for each class, and is measured so, in both readings of `boards.READINGS`.
    `fits` names further sets that it is of use for: what repeats it was measured on them. `is_reference`: its
    accuracies stand in another table of the page, too.
    """

    title: str
    source: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    measured_as: tuple[str | None, ...]
    remark: str
    measured_on: str | None = None
    by_class: bool = False
    fits: tuple[str, ...] = ()
    is_reference: bool = False

    def belongs_to(self, name: str) -> bool:
        """Return whether it is about the set called `name`."""
        return name in (self.measured_on, *self.fits) and not self.is_reference


@dataclass(frozen=True, slots=True)
class PrintedCounts:
    """TP, TN, FP, FN of each class as printed; every other figure follows from them.

    `remark` says what is printed about them besides.
    """

    title: str
    source: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, int, int, int], ...]
    remark: str

    @property
    def figures(self) -> ClassFigures:
        return figures_of_counts(*np.array(self.counts).T)

    @property
    def accuracy(self) -> float:
        """Σ TP over all images: the share of first choices that are right."""
        tp, _, _, fn = np.array(self.counts).T
        return float(tp.sum() / (tp + fn).sum())


@dataclass(frozen=True, slots=True)
class MeasuredTable:
    """A printed protocol that was carried out here: `rows` of `columns`, with what the numbers depend on.

    `beside` is the title of the printed table that it repeats, if there is one.
    """

    title: str
    provenance: Mapping[str, str]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str
    beside: str | None


def read_measured(folder: Path) -> tuple[list[MeasuredTable], list[str]]:
    """The tables in `folder`/*.json in the order of their names, and a sentence for each file that is broken.

    A file is {"title", "provenance": {…}, "columns": […], "rows": [[…]], "note", "beside" (may be left out)}. Lessons
    without columns are no tables, and are shown elsewhere.
    """
    tables, problems = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            table = _measured(path)
        except InputError as error:
            problems.append(str(error))
        else:
            tables += [table] if table is not None else []
    return tables, problems


def _measured(path: Path) -> MeasuredTable | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and "columns" not in content:
            return None
        table = MeasuredTable(
            title=str(content["title"]),
            provenance={str(key): _words(value) for key, value in content["provenance"].items()},
            columns=tuple(map(str, content["columns"])),
            rows=tuple(tuple(map(_words, row)) for row in content["rows"]),
            note=str(content.get("note", "")),
            beside=content.get("beside"),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"Expected {path.name} to be a table of title, provenance, columns and rows. "
            f"Received: {type(error).__name__} ({error})."
        ) from error
    if any(len(row) != len(table.columns) for row in table.rows) or not table.provenance:
        raise InputError(
            f"Expected {path.name} to have a cell for each of its {len(table.columns)} columns, and its provenance. "
            f"Received: rows of {sorted({len(row) for row in table.rows})} cells, {len(table.provenance)} facts."
        )
    return table


def _words(value: object) -> str:
    """A cell for people: lists and mappings as "a, b" and "x 1, y 2"; nothing as a dash."""
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    return str(value)


_CAPSTONE_3 = "Capstone #3, Deep Learning: Image recognition"
_COMPARISON = "A Comparison of CNNs for Image Classification"
_SPRINGBOARD_2 = "Springboard Capstone 2, Classification of Images"
_PB3 = "Biology Inspired Computations, PB3: MobileNet and ResNet50 on Linnaeus 5"
_KERAS = "keras.io/api/applications"
_LINNAEUS = ("berry", "bird", "dog", "flower", "other")

WAYS_TITLE = "Three ways to a classifier"
CATS_AND_DOGS_TITLE = "Cats and dogs, asked of networks for other classes"
TWO_NETWORKS_TITLE = "Table 14: two networks on 2,000 test images"

TABLES = (
    PrintedTable(
        WAYS_TITLE,
        _CAPSTONE_3,
        ("Approach", "Training images", "Training time", "In its words"),
        (
            ("CNN from scratch on CIFAR-10", "50,000", "1298 s", "somewhat accurate"),
            ("VGG16, pretrained", "n/a", "n/a", "more accurate"),
            ("VGG16 features and a small head", "64", "2.45 s", "most accurate"),
        ),
        ("capstone_cnn", "vgg16", None),
        "The network from scratch printed a loss of .3013 and an accuracy of .8950 after 30 epochs, without "
        "saying on which images; of eight photos of its author's it named four.",
        "cifar10",
        fits=("catsdogs",),
    ),
    PrintedTable(
        CATS_AND_DOGS_TITLE,
        _COMPARISON,
        ("Model", "Pictures", "Cats", "Dogs"),
        (
            ("ResNet50, labels rolled up", "–", "80 %", "80 %"),
            ("MobileNet, labels rolled up", "first 100 of each", "75 %", "90 %"),
            ("Google Cloud Vision", "100 of each", "100 %", "100 %"),
        ),
        ("resnet50", "mobilenet", None),
        "Its MobileNet's answer was a cat if the first label contained “cat” or was tabby or lynx. Here all classes "
        "below cat and below dog in WordNet are added up: strictly, a image on which something else is more "
        "probable than both is wrong; with cat or dog only, the question is which of the two it is. Which images "
        "were its first 100 is not known, and ours came reduced to 112 px.",
        "catsdogs_first_100",
        by_class=True,
        fits=("catsdogs",),
    ),
    PrintedTable(
        "Seven models on CIFAR-10",
        _SPRINGBOARD_2,
        ("Model", "Parameters", "With its head", "Training time", "Computed from its log", "Accuracy"),
        (
            ("Tuned CNN, 6 convolutions", "940,458", "940,458", "–", "–", "64.00 %"),
            ("Tuned CNN, 5 convolutions", "2,379,818", "2,379,818", "–", "–", "76.44 %"),
            ("ResNet50, transfer", "23,587,712", "40,899,018", "2.5 h", "0.78 h (5 × 562 s)", "92.40 %"),
            ("VGG16, transfer", "14,714,688", "19,049,866", "as its log", "2.57 h (5 × 1851 s)", "55.24 %"),
            ("InceptionV3, transfer", "21,802,784", "31,544,682", "1.75 h", "–", "95.10 %"),
            ("Simple CNN, augmented", "–", "94,890", "–", "–", "85.00 %"),
            ("InceptionV3, augmented", "21,802,784", "31,544,682", "–", "–", "overfitted"),
        ),
        ("tuned_cnn_6", "tuned_cnn_5", None, None, None, "simple_cnn", None),
        "The last row stayed at chance level because only its training images were normalized. The printed time of "
        "ResNet50 contradicts its own log, that of VGG16 agrees with it; times from logs are computed here, epochs × "
        "seconds an epoch.",
        "cifar10",
    ),
    PrintedTable(
        TWO_NETWORKS_TITLE,
        _PB3,
        ("Model", "Accuracy", "Loss", "Time per step", "Trainable", "Frozen", "Depth"),
        (
            ("MobileNet", ".9670", ".1150", "176 ms", "5,125", "3,228,864", "88"),
            ("ResNet50", ".9735", ".4271", "2 s", "4,207,621", "22,532,992", "50"),
        ),
        (None, None),
        "Its conclusion is that of the Speed view: MobileNet where time counts, ResNet50 where accuracy does. "
        "Its dataset, Linnaeus 5, could not be had: nothing is measured on it here.",
        fits=("flowers5",),
    ),
    PrintedTable(
        "Models of keras.applications",
        _KERAS,
        ("Model", "Top-1", "Top-5", "Parameters", "MB", "CPU ms", "GPU ms"),
        (
            ("VGG16", "71.3 %", "90.1 %", "138,357,544", "528", "69.5", "4.2"),
            ("VGG19", "71.3 %", "90.0 %", "143,667,240", "549", "84.8", "4.4"),
            ("ResNet50", "74.9 %", "92.1 %", "25,636,712", "98", "58.2", "4.6"),
            ("InceptionV3", "77.9 %", "93.7 %", "23,851,784", "92", "42.2", "6.9"),
            ("DenseNet121", "75.0 %", "92.3 %", "8,062,504", "33", "–", "–"),
            ("MobileNet", "70.4 %", "89.5 %", "4,253,864", "16", "22.6", "3.4"),
            ("MobileNetV2", "71.3 %", "90.1 %", "3,538,984", "14", "25.9", "3.8"),
            ("Xception", "79.0 %", "94.5 %", "22,910,480", "88", "109.4", "8.1"),
        ),
        ("vgg16", "vgg19", "resnet50", "inception_v3", "densenet121", "mobilenet", "mobilenet_v2", "xception"),
        "Accuracy on all 50,000 validation images of ImageNet, times on its publisher's machines. Measured: on 668 "
        "of these images, squashed instead of cropped, with weights that Provenance describes, on the machine that "
        "it names; neither accuracies nor times are of the same kind as the printed ones.",
        "imagenet_val_a",
        is_reference=True,
    ),
)

_BOTH_NETWORKS = (
    "Each class's area under the ROC curve, one against the rest, is printed as above .99. Confusion matrices are "
    "printed as figures, those of the training images too; their counts are not quoted here."
)

COUNTS = (
    PrintedCounts(
        "Tables 9 and 10: MobileNet",
        _PB3,
        _LINNAEUS,
        ((383, 1577, 23, 17), (391, 1596, 4, 9), (395, 1596, 4, 5), (384, 1586, 14, 16), (381, 1579, 21, 19)),
        "Table 10 prints two digits, which are those of these counts within .01: the specificities of berry, bird, dog "
        f"and other and the accuracy of dog are cut off, not rounded (.9856 as .98, .9975 as .99). {_BOTH_NETWORKS}",
    ),
    PrintedCounts(
        "Tables 13 and 15: ResNet50",
        _PB3,
        _LINNAEUS,
        ((390, 1582, 18, 10), (394, 1594, 6, 6), (398, 1598, 2, 2), (386, 1589, 11, 14), (379, 1584, 16, 21)),
        f"Its tables print two digits, which are those of these counts within .01. {_BOTH_NETWORKS}",
    ),
)
