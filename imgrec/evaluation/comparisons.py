"""What can be seen on a board: who is better and whether that is sure, who errs where, what it costs.

Arithmetic over `boards.Board` for the Benchmarks page; knows no Streamlit and no chart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from imgrec.evaluation import artifacts
from imgrec.evaluation.aligned_results import Board, figures
from imgrec.evaluation.summary import per_image
from imgrec.metrics.classification import Floats, Integers, calibration_gap, first_choices
from imgrec.metrics.confusion import Average, ClassFigures, average, class_figures, confusion_matrix
from imgrec.metrics.curves import Bin, held_out, reliability, with_temperature
from imgrec.metrics.significance import SIGNIFICANCE, Paired, holm, mcnemar, p_text


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric of the leaderboard: key in a row, words, which way is better, how many decimals; percent or plain.

    `unit` stands behind a difference, and `words` say whether it is a better or a worse one.
    """

    key: str
    title: str
    sentence: str
    higher_is_better: bool
    percent: bool = False
    decimals: int = 2
    unit: str = ""
    words: tuple[str, str] = ("better", "worse")

    @property
    def is_time(self) -> bool:
        """Whether it depends on the machine."""
        return self.words != ("better", "worse")


def _time(key: str, title: str, sentence: str, decimals: int = 1) -> Figure:
    return Figure(key, title, sentence, False, decimals=decimals, unit=" ms", words=("faster", "slower"))


FIGURES = (
    Figure("top_1", "Top-1", "Share of images whose first prediction is correct.", True, percent=True, decimals=1),
    Figure("top_5", "Top-5", "Share with the true class among the first five.", True, percent=True, decimals=1),
    Figure(
        "macro_f1", "Macro F1", "Mean F1 over the classes, each with the same weight.", True, percent=True, decimals=1
    ),
    Figure("kappa", "Kappa", "Agreement with the true classes beyond chance (Cohen's kappa).", True, decimals=3),
    Figure("macro_auc", "AUC", "Mean area under the one-vs-rest ROC curves.", True, decimals=4),
    Figure("log_loss", "Log loss", "Mean negative log of the probability of the true class.", False, decimals=3),
    Figure("brier", "Brier", "Mean squared error of the probabilities, from 0 to 2.", False, decimals=3),
    Figure(
        "ece",
        "ECE",
        "Expected calibration error: how far confidence is from accuracy.",
        False,
        percent=True,
        decimals=1,
    ),
    Figure("adaptive_ece", "Adaptive ECE", "The same, in bins of equally many images.", False, True, 1),
    _time("latency_p50_ms", "p50 ms", "Median milliseconds an image, warm."),
    _time("latency_p95_ms", "p95 ms", "95 of 100 images take less, warm."),
    _time("cold_ms", "Cold ms", "Loading the model and its first prediction.", 0),
    Figure(
        "throughput_per_s",
        "Images/s",
        "Images a second in a stream, from encoded bytes to predictions.",
        True,
        decimals=0,
        unit=" per s",
        words=("faster", "slower"),
    ),
)


@dataclass(frozen=True, slots=True)
class Point:
    """A model in the plane of accuracy against latency."""

    model: str
    title: str
    latency_ms: float
    top_1: float
    low: float
    high: float
    parameters: int
    on_frontier: bool


@dataclass(frozen=True, slots=True)
class Versus:
    """Two models on the same images, counted; see `PairTest` for what that proves."""

    both: int
    only_a: int
    only_b: int
    neither_same: int
    neither_different: int


@dataclass(frozen=True, slots=True)
class Confused:
    """A class and what it was taken for: on how many images, and the highest confidence among them."""

    truth: int
    choice: int
    count: int
    confidence: float


@dataclass(frozen=True, slots=True)
class PairTest:
    """Models `a` and `b` of a board: the test, and its p `raised` for all `pairs` of the board (Holm), which decides.

    One rule for the whole page: two models that one view calls equal are not told apart by another.
    """

    a: str
    b: str
    paired: Paired
    raised: float
    pairs: int

    @property
    def better(self) -> str | None:
        """Which one is right more often; None where that is not sure."""
        if self.raised >= SIGNIFICANCE:
            return None
        return self.a if self.paired.only_a > self.paired.only_b else self.b

    @property
    def p_words(self) -> str:
        """ "p = 0.039; 0.226 Holm-corrected for 55 pairs"."""
        alone = p_text(self.paired.p_value)
        if self.pairs == 1:
            return alone
        raised = p_text(self.raised).removeprefix("p ").removeprefix("= ")
        return f"{alone}; {raised} Holm-corrected for {self.pairs} pairs"

    def sentence(self, titles: Mapping[str, str]) -> str:
        """ "A is more accurate than B on 500 images (…)." or that there is no clear difference."""
        a, b, found = titles[self.a], titles[self.b], self.paired
        counts = f"on {found.only_a:,} only {a} is correct, on {found.only_b:,} only {b}; {self.p_words}"
        if self.better is None:
            said = f"no clear difference between {a} and {b} on {found.images:,} images ({counts})."
        else:
            worse = b if self.better == self.a else a
            said = f"{titles[self.better]} is more accurate than {worse} on {found.images:,} images ({counts})."
        return said[0].upper() + said[1:]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Reliability of the same images before and after dividing the logits by `temperature`."""

    temperature: float
    before: tuple[Bin, ...]
    after: tuple[Bin, ...]
    ece_before: float
    ece_after: float


def machines(board: Board) -> dict[str, list[str]]:
    """Return the models that were timed on each machine, the machine of most models first."""
    found: dict[str, list[str]] = {}
    for model in board.found:
        if board.rows[model].get("latency_p50_ms") is not None:
            found.setdefault(str(board.rows[model].get("hardware")), []).append(model)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def machine(board: Board) -> str | None:
    """Return the machine on which most of the models were timed; None where no model was."""
    return next(iter(machines(board)), None)


def best_at(board: Board, figure: Figure) -> str | None:
    """The model with the best value, None when nobody has one or all have the same.

    Times count as far as they are of the machine of most models.
    """
    rows = {model: board.rows[model] for model in board.found}
    if figure.is_time:
        timed_on = machine(board)
        rows = {model: row for model, row in rows.items() if row.get("hardware") == timed_on}
    values = {model: row.get(figure.key) for model, row in rows.items()}
    known = {model: value for model, value in values.items() if value is not None}
    if len(known) < 2 or len(set(known.values())) == 1:
        return None
    return (max if figure.higher_is_better else min)(known, key=lambda model: float(known[model]))


def change(figure: Figure, value: float | None, reference: float | None) -> float | None:
    """How much `value` differs, in percentage points for shares, as far as the figure's decimals show it."""
    if value is None or reference is None:
        return None
    return round((value - reference) * (100 if figure.percent else 1), figure.decimals) + 0.0


def change_text(figure: Figure, change: float) -> str:
    """Return a difference in words, without a sign: whether it is better or worse is said.

    >>> change_text(FIGURES[0], 1.2), change_text(FIGURES[-4], 3.0), change_text(FIGURES[0], 0.0)
    ('1.2 points better', '3.0 ms slower', 'same')
    """
    if change == 0:
        return "same"
    unit = " points" if figure.percent else figure.unit
    return f"{abs(change):.{figure.decimals}f}{unit} {figure.words[0 if is_better(figure, change) else 1]}"


def is_better(figure: Figure, change: float) -> bool:
    """Return whether a difference other than 0 is an improvement."""
    return (change > 0) == figure.higher_is_better


def frontier(board: Board, timed_on: str | None = None) -> tuple[list[Point], list[str]]:
    """The models as points, the fastest first, and a sentence for each that is left out.

    Latencies are those of the machine `timed_on`, by default that of most models.

    On the frontier is whom nobody beats in both: no other is as fast and as accurate, and better in one.
    """
    timed = {model: row for model in board.found if (row := board.rows[model]).get("latency_p50_ms") is not None}
    timed_on = timed_on or machine(board)
    left_out = []
    points: dict[str, tuple[float, float]] = {}
    for model in board.found:
        title = board.rows[model].get("title", model)
        if model not in timed:
            left_out.append(f"{title}: no latency was measured.")
        elif timed[model]["hardware"] != timed_on:
            left_out.append(f"{title}: latency was measured on another machine ({timed[model]['hardware']}).")
        else:
            points[model] = (float(timed[model]["latency_p50_ms"]), float(timed[model]["top_1"]))
    made = []
    for model, (latency, top_1) in sorted(points.items(), key=lambda item: item[1]):
        row = board.rows[model]
        beaten = any(
            other_ms <= latency and other >= top_1 and (other_ms, other) != (latency, top_1)
            for other_ms, other in points.values()
        )
        made.append(
            Point(
                model,
                row.get("title", model),
                latency,
                top_1,
                row["top_1_low"],
                row["top_1_high"],
                row["parameters"],
                on_frontier=not beaten,
            )
        )
    return made, left_out


def matrix_of(board: Board, model: str) -> Integers:
    found = board.found[model]
    return confusion_matrix(found.target, found.choice, len(board.labels))


def figures_by_class(board: Board, model: str) -> ClassFigures:
    return class_figures(matrix_of(board, model))


def averages(board: Board, model: str) -> dict[str, Average]:
    figures = figures_by_class(board, model)
    return {how: average(figures, how) for how in ("macro", "weighted", "micro")}


def hardest(matrix: Integers, limit: int) -> Integers:
    """At most `limit` classes, those of the most frequent mistakes, in their own order.

    Mistake by mistake, both its classes: a matrix of classes that are mostly taken for others which are not shown
    would be empty beside its diagonal.
    """
    wrong = matrix - np.diag(np.diag(matrix))
    chosen: dict[int, None] = {}
    for cell in np.argsort(-wrong, axis=None, kind="stable"):
        pair = dict.fromkeys(divmod(int(cell), len(matrix)))
        if not wrong.ravel()[cell] or len(chosen | pair) > limit:
            break
        chosen |= pair
    return np.array(sorted(chosen), np.int64)


def confused(board: Board, model: str) -> list[Confused]:
    """Return every pair of classes that `model` confused, the most images first, then the most confident ones."""
    found = board.found[model]
    wrong = np.flatnonzero(~found.right)
    highest: dict[tuple[int, int], list[float]] = {}
    for i in wrong:
        highest.setdefault((int(found.target[i]), int(found.choice[i])), []).append(float(found.confidence[i]))
    pairs = [Confused(*pair, len(values), max(values)) for pair, values in highest.items()]
    return sorted(pairs, key=lambda pair: (-pair.count, -pair.confidence))


def most_confused(board: Board) -> int:
    """Return how many images are in the most frequent mistake of any model."""
    most = 0
    for found in board.found.values():
        wrong = ~found.right
        pairs = found.target[wrong] * len(board.labels) + found.choice[wrong]
        most = max(most, int(np.unique(pairs, return_counts=True)[1].max(initial=0)))
    return most


def in_cell(board: Board, model: str, truth: int, choice: int) -> list[int]:
    """Positions of the images of class `truth` that `model` took for `choice`, the surest first."""
    found = board.found[model]
    places = np.flatnonzero((found.target == truth) & (found.choice == choice))
    return [int(i) for i in places[np.argsort(-found.confidence[places], kind="stable")]]


def mistakes(board: Board, model: str, truth: int | None = None) -> list[int]:
    """Positions of the images that `model` got wrong, the surest mistake first; of one class if `truth` is given."""
    found = board.found[model]
    wrong = ~found.right if truth is None else ~found.right & (found.target == truth)
    places = np.flatnonzero(wrong)
    return [int(i) for i in places[np.argsort(-found.confidence[places], kind="stable")]]


def versus(board: Board, a: str, b: str) -> Versus:
    one, two = board.found[a], board.found[b]
    same = one.choice == two.choice
    neither = ~one.right & ~two.right
    return Versus(
        both=int((one.right & two.right).sum()),
        only_a=int((one.right & ~two.right).sum()),
        only_b=int((two.right & ~one.right).sum()),
        neither_same=int((neither & same).sum()),
        neither_different=int((neither & ~same).sum()),
    )


def disagreements(board: Board, a: str, b: str, who: str = "any") -> list[int]:
    """Positions where the first choices differ; `who` is right: "a", "b", "neither" or "any", the surest pair first."""
    one, two = board.found[a], board.found[b]
    differ = one.choice != two.choice
    wanted = {
        "any": differ,
        "a": differ & one.right,
        "b": differ & two.right,
        "neither": differ & ~one.right & ~two.right,
    }
    places = np.flatnonzero(wanted[who])
    sure = one.confidence[places] + two.confidence[places]
    return [int(i) for i in places[np.argsort(-sure, kind="stable")]]


def paired_tests(board: Board) -> list[PairTest]:
    """Every pair of models with its test."""
    pairs = list(combinations(board.found, 2))
    tests = [mcnemar(board.found[a].right, board.found[b].right) for a, b in pairs]
    raised = holm([test.p_value for test in tests])
    return [PairTest(*pair, test, float(p), len(pairs)) for pair, test, p in zip(pairs, tests, raised, strict=True)]


def judge(probabilities: Floats, board: Board) -> dict[str, float]:
    """The figures of an ensemble's probabilities (N, C) for the board's images, as the leaderboard has them."""
    found = per_image([artifacts.Answers(board.ids, board.target, probabilities)])
    return figures(found)


def figures_of(board: Board, model: str) -> dict[str, float]:
    """The same for one model, on the images that all models of the board were asked about."""
    return figures(board.found[model])


def calibration(board: Board, model: str, answers: artifacts.Answers) -> Calibration | None:
    """What temperature scaling does to the model's confidence, on the images that it was not fitted on.

    `answers` are the model's own; None where there were too few images to fit on.
    """
    scaled = board.rows[model].get("temperature")
    test = ~held_out(answers.ids)
    if not scaled or not test.any():
        return None
    temperature = float(scaled["temperature"])
    rows, target = answers.probabilities[test].astype(np.float64), answers.targets[test]
    right = first_choices(rows) == target
    before, after = rows.max(axis=1), with_temperature(rows, temperature).max(axis=1)
    return Calibration(
        temperature=temperature,
        before=tuple(reliability(before, right)),
        after=tuple(reliability(after, right)),
        ece_before=calibration_gap(before, right),
        ece_after=calibration_gap(after, right),
    )
