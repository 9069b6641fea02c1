"""Comparison tables as three published comparisons printed them, to stand beside what is measured here.

Printed figures are quoted, never mixed with measured ones. Where a report contradicts itself, both figures are shown.
`measured_as` names the model of the catalogue (bundled or trained at home) that repeats a row, if there is one.
"""

from dataclasses import dataclass

import numpy as np

from imgrec.confusion import ClassFigures, figures_of_counts


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """`rows` have one cell for each of `columns`; `measured_as` one entry for each row."""

    title: str
    source: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    measured_as: tuple[str | None, ...]
    remark: str


@dataclass(frozen=True, slots=True)
class PrintedCounts:
    """TP, TN, FP, FN of each class as printed; every other figure follows from them."""

    title: str
    source: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, int, int, int], ...]

    @property
    def figures(self) -> ClassFigures:
        return figures_of_counts(*np.array(self.counts).T)

    @property
    def accuracy(self) -> float:
        """Σ TP over all pictures: the share of first choices that are right."""
        tp, _, _, fn = np.array(self.counts).T
        return float(tp.sum() / (tp + fn).sum())


_CAPSTONE_3 = "Capstone #3, Deep Learning: Image recognition"
_SPRINGBOARD_2 = "Springboard Capstone 2, Classification of Images"
_PB3 = "Biology Inspired Computations, PB3: MobileNet and ResNet50 on Linnaeus 5"
_LINNAEUS = ("berry", "bird", "dog", "flower", "other")

TABLES = (
    PrintedTable(
        "Three ways to a classifier",
        _CAPSTONE_3,
        ("Approach", "Training pictures", "Training time", "In its words"),
        (
            ("CNN from scratch on CIFAR-10", "50,000", "1298 s", "somewhat accurate"),
            ("VGG16, pretrained", "n/a", "n/a", "more accurate"),
            ("VGG16 features and a small head", "64", "2.45 s", "most accurate"),
        ),
        ("capstone_cnn", "vgg16", None),
        "The network from scratch printed an accuracy of .8950 after 30 epochs, without saying on which pictures; of "
        "eight photos of its author's it named four.",
    ),
    PrintedTable(
        "Seven networks on CIFAR-10",
        _SPRINGBOARD_2,
        ("Model", "Parameters", "With its head", "Training time", "Time from its own log", "Accuracy"),
        (
            ("Tuned CNN, 6 convolutions", "940,458", "940,458", "–", "–", "64.00 %"),
            ("Tuned CNN, 5 convolutions", "2,379,818", "2,379,818", "–", "–", "76.44 %"),
            ("ResNet50, transfer", "23,587,712", "40,899,018", "2.5 h", "0.78 h (5 × 562 s)", "92.40 %"),
            ("VGG16, transfer", "14,714,688", "19,049,866", "2.57 h", "2.57 h (5 × 1851 s)", "55.24 %"),
            ("InceptionV3, transfer", "21,802,784", "31,544,682", "1.75 h", "–", "95.10 %"),
            ("Simple CNN, augmented", "–", "94,890", "–", "–", "85.00 %"),
            ("InceptionV3, augmented", "21,802,784", "31,544,682", "–", "–", "overfitted"),
        ),
        ("tuned_cnn_6", "tuned_cnn_5", None, None, None, "augmented_cnn", None),
        "The last row stayed at chance level because only its training pictures were normalised. The time of "
        "ResNet50 contradicts its own log.",
    ),
    PrintedTable(
        "Table 14: two networks on 2,000 test pictures",
        _PB3,
        ("Model", "Accuracy", "Loss", "Time per step", "Trainable", "Frozen", "Depth"),
        (
            ("MobileNet", ".9670", ".1150", "176 ms", "5,125", "3,228,864", "88"),
            ("ResNet50", ".9735", ".4271", "2 s", "4,207,621", "22,532,992", "50"),
        ),
        (None, None),
        "Its conclusion is the frontier of the Speed view: MobileNet where time counts, ResNet50 where accuracy does. "
        "Its data set, Linnaeus 5, could not be had: there is nothing measured on it here.",
    ),
)

COUNTS = (
    PrintedCounts(
        "Tables 9 and 10: MobileNet",
        _PB3,
        _LINNAEUS,
        ((383, 1577, 23, 17), (391, 1596, 4, 9), (395, 1596, 4, 5), (384, 1586, 14, 16), (381, 1579, 21, 19)),
    ),
    PrintedCounts(
        "Tables 13 and 15: ResNet50",
        _PB3,
        _LINNAEUS,
        ((390, 1582, 18, 10), (394, 1594, 6, 6), (398, 1598, 2, 2), (386, 1589, 11, 14), (379, 1584, 16, 21)),
    ),
)
