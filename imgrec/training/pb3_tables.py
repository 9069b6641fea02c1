"""The tables of PB3 from the cards of its runs, with the printed figures beside (assets/printed_pb3.json)."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from imgrec.evaluation.reference_tables import PublishedCounts, read_published
from imgrec.metrics.confusion import ClassFigures, class_figures
from imgrec.models import network_layers
from imgrec.models.cards import Card
from imgrec.models.catalog import BUILT_IN
from imgrec.reports.table_report import Table
from imgrec.settings import ASSETS
from imgrec.training.pb3 import STEPPED_RATE, Protocol, best_rate, head_stages, rate_stages, second_model
from imgrec.training.transfer_config import HEADS

NOTHING = "–"

HERE, PRINTED = "here", "printed"

# Figures of a trial that PB3 prints for each fold.
FOLD_FIGURES = ("train_accuracy", "validation_accuracy", "train_loss", "validation_loss")

COUNT_COLUMNS = ("Where", "Class", "TP", "TN", "FP", "FN")
FIGURE_COLUMNS = ("Where", "Class", "Precision", "Recall", "Specificity", "Accuracy", "F1", "AUC")

# Tables with a column for each class are for few of them.
MAX_CLASSES = 30

# The rate of the printed Table 7.
TABLE_7_RATE = 1e-4


@cache
def printed() -> Any:
    """Return the printed figures."""
    return json.loads((ASSETS / "printed_pb3.json").read_text(encoding="utf-8"))


def all_tables(
    protocol: Protocol,
    done: Mapping[str, Card],
    areas: Mapping[str, Sequence[float]],
    pass_ms: Mapping[str, float],
) -> list[Table]:
    """Return Tables 7 to 15, and the confusion matrices, of a protocol of which all stages are `done`.

    `areas` has the area under the ROC curve of each class, and `pass_ms` the milliseconds of an image through the
    network, by the name of the model; what is not in them becomes a dash.
    """
    first, second = done[best_rate(protocol, done).name], done[second_model(protocol, done).name]
    counts = {one.title: one for one in read_published()[1]}
    quoted = [counts[title] for title in printed()["counts"]]
    titles = [BUILT_IN.get_spec(name).title for name in (protocol.first, protocol.second)]
    return [
        folds_table(protocol, done),
        rates_table(protocol, done),
        _counts_table("Table 9", titles[0], first, quoted[0]),
        _figures_table("Table 10", titles[0], first, quoted[0], areas),
        heads_table(protocol, done),
        _counts_table("Table 13", titles[1], second, quoted[1]),
        _figures_table("Tables 12 and 15", titles[1], second, quoted[1], areas),
        _comparison_table(protocol, (first, second), pass_ms),
        *_matrices(titles, (first, second)),
    ]


def folds_table(protocol: Protocol, done: Mapping[str, Card]) -> Table:
    """Return Table 7: the folds at the printed learning rate, or at the best one where that was not tried."""
    rate = TABLE_7_RATE if TABLE_7_RATE in protocol.learning_rates else None
    stages = rate_stages(protocol)
    stage = next((one for one in stages if one.config.learning_rates == (rate,)), best_rate(protocol, done))
    card = done[stage.name]
    quoted = printed()["folds"]
    rows = []
    for number, trial in enumerate(card.fields["trials"]):
        beside = [quoted[name][number] if number < len(quoted[name]) else NOTHING for name in FOLD_FIGURES[:2]]
        rows.append(
            [
                str(trial["fold"]),
                str(trial["best_epoch"]),
                *(four(trial[name]) for name in FOLD_FIGURES),
                *beside,
                NOTHING,
                NOTHING,
            ]
        )
    [mean] = card.fields["learning_rates"]
    rows.append(
        ["mean ± sd", f"{mean['best_epoch']:.1f}"]
        + [spread(mean, name) for name in FOLD_FIGURES]
        + [quoted["means"][name] for name in FOLD_FIGURES]
    )
    names = ("training accuracy", "validation accuracy", "training loss", "validation loss")
    return Table(
        f"Table 7: {protocol.folds} folds at the learning rate {stage.config.learning_rates[0]:g}",
        ["Fold", "Best epoch", *map(str.capitalize, names), *(f"Printed {name}" for name in names)],
        rows,
        f"{_title(protocol.first)}, frozen, one dense layer, {protocol.epochs} epochs; of each fold the best epoch in "
        "validation.",
    )


def rates_table(protocol: Protocol, done: Mapping[str, Card]) -> Table:
    """Return Table 8: validation over the folds, and the test of each learning rate's own model."""
    quoted = {one["learning_rate"]: one for one in printed()["learning_rates"]}
    rows = []
    for stage in rate_stages(protocol):
        [rate], card = stage.config.learning_rates, done[stage.name]
        [mean] = card.fields["learning_rates"]
        beside = quoted.get(rate, {"accuracy": NOTHING, "loss": NOTHING})
        rows.append(
            [
                f"{rate:g}",
                spread(mean, "validation_accuracy"),
                str(card.fields["chosen"]["epochs"]),
                four(card.metrics["accuracy"]),
                four(card.metrics["loss"]),
                beside["accuracy"],
                beside["loss"],
            ]
        )
    return Table(
        "Table 8: learning rates",
        [
            "Learning rate",
            f"Validation accuracy, {protocol.folds} folds",
            "Epochs of the final training",
            "Test accuracy",
            "Test loss",
            "Printed test accuracy",
            "Printed test loss",
        ],
        rows,
        "After the folds each learning rate has one training on all training images, for as many epochs as the folds' "
        f"best ones on average, and one look at the test images. Best in validation: "
        f"{best_rate(protocol, done).config.learning_rates[0]:g}.",
    )


def heads_table(protocol: Protocol, done: Mapping[str, Card]) -> Table:
    """Return Table 11: heads on the second network under the stepped learning rate, by folds."""
    quoted = printed()["heads"]
    rows = []
    for stage in head_stages(protocol):
        head, card = HEADS[stage.config.head], done[stage.name]
        [mean] = card.fields["learning_rates"]
        rows.append(
            [HERE, head.title, f"{card.fields['trained_parameters']:,}"]
            + [four(trial["validation_accuracy"]) for trial in card.fields["trials"]]
            + [spread(mean, "validation_accuracy"), spread(mean, "validation_loss"), four(card.metrics["accuracy"])]
        )
    folds = [*quoted["validation_accuracy"][: protocol.folds]]
    folds += [NOTHING] * (protocol.folds - len(folds))
    mean_printed = np.mean([float(value) for value in quoted["validation_accuracy"]])
    rows.append(
        [
            PRINTED,
            f"{HEADS[quoted['head']].title}, on ResNet50",
            NOTHING,
            *folds,
            f"{mean_printed:.4f} (derived)",
            quoted["validation_loss"],
            NOTHING,
        ]
    )
    return Table(
        "Table 11: heads under a stepped learning rate",
        [
            "Where",
            "Head",
            "Parameters",
            *(f"Fold {number}" for number in range(1, protocol.folds + 1)),
            "Validation accuracy, mean",
            "Validation loss",
            "Test accuracy",
        ],
        rows,
        f"{_title(protocol.second)}, frozen; learning rate {STEPPED_RATE:g}, a tenth of it after each five epochs, "
        f"{protocol.epochs} epochs.",
    )


def _counts_table(number: str, title: str, card: Card, quoted: PublishedCounts) -> Table:
    rows = [
        [where, label, *(str(int(counts[i])) for counts in (figures.tp, figures.tn, figures.fp, figures.fn))]
        for where, label, figures, i in _by_class(card, quoted)
    ]
    return Table(f"{number}: TP, TN, FP, FN, {title}", COUNT_COLUMNS, rows, _on(card))


def _figures_table(
    number: str, title: str, card: Card, quoted: PublishedCounts, areas: Mapping[str, Sequence[float]]
) -> Table:
    mine = areas.get(card.name)
    rows = []
    for where, label, one, i in _by_class(card, quoted):
        area = (four(mine[i]) if mine is not None else NOTHING) if where == HERE else "above .99"
        values = (one.precision, one.recall, one.specificity, one.accuracy, one.f1)
        rows.append([where, label, *(four(value[i]) for value in values), area])
    note = f"{_on(card)} The printed ones are computed from the printed counts. {quoted.remark}"
    return Table(f"{number}: figures of each class, {title}", FIGURE_COLUMNS, rows, note)


def _by_class(card: Card, quoted: PublishedCounts) -> list[tuple[str, str, ClassFigures, int]]:
    """Return (where, class, figures of all classes, index of the class), ours first."""
    found = [(PRINTED, label, quoted.figures, i) for i, label in enumerate(quoted.classes)]
    if (confusion := card.metrics["confusion"]) is None:  # more classes than a card has room for
        return found
    ours = class_figures(np.array(confusion, np.int64))
    return [(HERE, label, ours, i) for i, label in enumerate(card.classes)] + found


def _comparison_table(protocol: Protocol, cards: tuple[Card, Card], pass_ms: Mapping[str, float]) -> Table:
    [quoted] = [table for table in read_published()[0] if table.title == printed()["comparison"]]
    rows = []
    for name, card in zip((protocol.first, protocol.second), cards, strict=True):
        trained = card.fields["trained_parameters"]
        total = card.fields["model"]["parameters"]
        depth = network_layers.depth_of(name)
        rows.append(
            [
                HERE,
                _title(name),
                four(card.metrics["accuracy"]),
                four(card.metrics["loss"]),
                _step(card, protocol, pass_ms),
                f"{trained:,}",
                f"{total - trained:,}",
                NOTHING if depth is None else str(depth),
            ]
        )
    rows += [[PRINTED, *row] for row in quoted.rows]
    return Table(
        "Table 14: the two networks",
        ["Where", *quoted.columns],
        rows,
        f"{_on(cards[0])} Time per step, here: of a frozen network {protocol.batch_size} images through it, as "
        "`imgrec evaluate` times one, and a step of the head; of a fine-tuned one the mean over its steps. Depth, "
        "here: the layers with weights on the longest way through the network, its head not counted.",
    )


def _step(card: Card, protocol: Protocol, pass_ms: Mapping[str, float]) -> str:
    """Return the time of a training step in words."""
    images = card.fields["data"]["trained_on"]
    steps = max(1, images // protocol.batch_size)
    tuned = card.fields.get("tuned")
    if tuned:
        seconds = sum(row["seconds"] for row in card.fields["curves"][-tuned["epochs"] :])
        return f"{1000 * seconds / (steps * tuned['epochs']):,.0f} ms"
    if card.name not in pass_ms:
        return NOTHING
    head = sum(row["seconds"] for row in card.fields["curves"]) / (steps * len(card.fields["curves"]))
    return f"{protocol.batch_size * pass_ms[card.name] + 1000 * head:,.0f} ms"


def _matrices(titles: Sequence[str], cards: Sequence[Card]) -> list[Table]:
    """Return the confusion matrices of both networks, of the training images and of the test images."""
    found = []
    for title, card in zip(titles, cards, strict=True):
        if len(card.classes) > MAX_CLASSES:
            continue
        for part, of in (("training", card.fields["training"]), (card.metrics["set"], card.metrics)):
            matrix = np.array(of["confusion"], np.int64)
            rows = [[label, *map(str, row.tolist())] for label, row in zip(card.classes, matrix, strict=True)]
            found.append(
                Table(
                    f"Confusion matrix, {title}, {int(matrix.sum()):,} {part} images",
                    ["True class", *card.classes],
                    rows,
                    "A column for each class that was predicted.",
                )
            )
    return found


def _on(card: Card) -> str:
    return f"On {card.metrics['pictures']:,} {card.metrics['set']} images."


def _title(name: str) -> str:
    return BUILT_IN.get_spec(name).title


def spread(mean: Mapping[str, float], name: str) -> str:
    """Return mean and standard deviation over the folds, four digits each."""
    return f"{four(mean[name])} ± {four(mean[f'{name}_sd'])}"


def four(value: float) -> str:
    """Return a figure with four digits."""
    return f"{value:.4f}"
