"""Confusion matrices against scikit-learn, and against the tables of a published comparison."""

import doctest

import numpy as np
import pytest
import sklearn.metrics as oracle
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from imgrec.errors import InputError
from imgrec.metrics import confusion
from imgrec.metrics.confusion import average, class_figures, confusion_matrix, figures_of_counts, kappa, row_shares

# Biology Inspired Computations PB3, tables 9 and 13: TP, TN, FP, FN on the 2,000 test images of Linnaeus 5.
LINNAEUS_5 = ("berry", "bird", "dog", "flower", "other")
MOBILENET = np.array(
    [(383, 1577, 23, 17), (391, 1596, 4, 9), (395, 1596, 4, 5), (384, 1586, 14, 16), (381, 1579, 21, 19)]
)
RESNET50 = np.array(
    [(390, 1582, 18, 10), (394, 1594, 6, 6), (398, 1598, 2, 2), (386, 1589, 11, 14), (379, 1584, 16, 21)]
)


def matrix_with(counts: np.ndarray) -> np.ndarray:
    """A confusion matrix with these TP, FP and FN; the papers' matrices are figures, their margins are known."""
    tp, _, fp, fn = counts.T
    missing, wanted = fn.copy(), fp.copy()
    matrix = np.diag(tp)
    while missing.sum():
        # The class with most left to place first, so that no row ends with only its own column to go to.
        row = int(np.argmax(missing + wanted * (missing > 0)))
        column = int(np.argmax(np.where(np.arange(len(tp)) == row, -1, wanted + missing * (wanted > 0))))
        matrix[row, column] += 1
        missing[row] -= 1
        wanted[column] -= 1
    return matrix


matrices = npst.arrays(np.int64, st.integers(2, 6).map(lambda n: (n, n)), elements=st.integers(0, 30)).filter(np.any)


def listed(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The targets and choices that give `matrix`."""
    target, choice = np.indices(matrix.shape)
    return np.repeat(target.ravel(), matrix.ravel()), np.repeat(choice.ravel(), matrix.ravel())


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(confusion).failed == 0


@pytest.mark.parametrize(
    ("counts", "right"), [pytest.param(MOBILENET, 1934, id="MobileNet"), pytest.param(RESNET50, 1947, id="ResNet50")]
)
def test_the_published_counts_follow_from_a_confusion_matrix(counts: np.ndarray, right: int) -> None:
    matrix = matrix_with(counts)
    figures = class_figures(matrix)
    assert np.column_stack([figures.tp, figures.tn, figures.fp, figures.fn]).tolist() == counts.tolist()
    assert figures.support.tolist() == [400] * 5
    assert figures.tp.sum() == right
    assert average(figures, "micro").recall == right / 2000


# Tables 10 (MobileNet) and 15 (ResNet50) print two digits, some of them cut off instead of rounded.
@pytest.mark.parametrize(
    ("counts", "name", "expected"),
    [
        pytest.param(MOBILENET, "precision", (0.94, 0.99, 0.99, 0.96, 0.95), id="MobileNet precision"),
        pytest.param(MOBILENET, "recall", (0.96, 0.98, 0.99, 0.96, 0.95), id="MobileNet recall"),
        pytest.param(MOBILENET, "specificity", (0.98, 0.99, 0.99, 0.99, 0.98), id="MobileNet specificity"),
        pytest.param(MOBILENET, "accuracy", (0.98, 0.99, 0.99, 0.98, 0.98), id="MobileNet accuracy"),
        pytest.param(MOBILENET, "f1", (0.95, 0.98, 0.99, 0.96, 0.95), id="MobileNet F1"),
        pytest.param(RESNET50, "precision", (0.96, 0.99, 0.99, 0.97, 0.96), id="ResNet50 precision"),
        pytest.param(RESNET50, "recall", (0.98, 0.99, 0.99, 0.97, 0.95), id="ResNet50 recall"),
        pytest.param(RESNET50, "specificity", (0.99, 1.0, 1.0, 0.99, 0.99), id="ResNet50 specificity"),
        pytest.param(RESNET50, "accuracy", (0.99, 0.99, 1.0, 0.99, 0.98), id="ResNet50 accuracy"),
        pytest.param(RESNET50, "f1", (0.97, 0.99, 0.99, 0.97, 0.95), id="ResNet50 F1"),
    ],
)
def test_the_published_tables_are_reproduced(counts: np.ndarray, name: str, expected: tuple[float, ...]) -> None:
    assert getattr(figures_of_counts(*counts.T), name) == pytest.approx(expected, abs=0.01)


@given(matrix=matrices)
def test_like_scikit_learn(matrix: np.ndarray) -> None:
    target, choice = listed(matrix)
    classes = len(matrix)
    assert (confusion_matrix(target, choice, classes) == matrix).all()
    figures = class_figures(matrix)
    theirs = oracle.multilabel_confusion_matrix(target, choice, labels=np.arange(classes))
    assert theirs[:, 1, 1].tolist() == figures.tp.tolist()
    assert theirs[:, 0, 0].tolist() == figures.tn.tolist()
    assert theirs[:, 0, 1].tolist() == figures.fp.tolist()
    assert theirs[:, 1, 0].tolist() == figures.fn.tolist()
    options = {"labels": np.arange(classes), "zero_division": np.nan}
    precision, recall, f1, support = oracle.precision_recall_fscore_support(target, choice, **options)
    assert figures.precision == pytest.approx(precision, nan_ok=True)
    assert figures.recall == pytest.approx(recall, nan_ok=True)
    defined = (figures.tp + figures.fp + figures.fn) > 0
    assert figures.f1[defined] == pytest.approx(np.nan_to_num(f1[defined]))
    assert figures.support.tolist() == support.tolist()


# Classes that are never chosen, never the truth, or neither: sparse matrices have them.
sparse = st.tuples(matrices, st.randoms(use_true_random=False)).map(
    lambda drawn: drawn[0] * np.array([[drawn[1].random() < 0.3 for _ in drawn[0]] for _ in drawn[0]])
)


@given(matrix=matrices | sparse.filter(np.any))
def test_averages_like_scikit_learn(matrix: np.ndarray) -> None:
    target, choice = listed(matrix)
    for how in ("macro", "weighted", "micro"):
        mine = average(class_figures(matrix), how)
        of_the_set = {"labels": np.unique(target)} if how == "macro" else {}
        theirs = oracle.precision_recall_fscore_support(target, choice, average=how, zero_division=0, **of_the_set)
        assert (mine.precision, mine.recall, mine.f1) == pytest.approx(theirs[:3])
    assert average(class_figures(matrix), "micro").f1 == pytest.approx(oracle.accuracy_score(target, choice))


@given(matrix=matrices.filter(lambda m: np.count_nonzero(m.sum(0) + m.sum(1)) > 1))
def test_kappa_like_scikit_learn(matrix: np.ndarray) -> None:
    target, choice = listed(matrix)
    assert kappa(matrix) == pytest.approx(oracle.cohen_kappa_score(target, choice), abs=1e-9)


def test_kappa_of_a_single_class_is_not_defined() -> None:
    assert np.isnan(kappa(np.array([[7, 0], [0, 0]])))


def test_a_class_that_is_chosen_and_never_the_truth_is_no_class_of_the_set() -> None:
    # "something else" is the last but one column; the last class does not occur at all.
    matrix = np.zeros((4, 4), np.int64)
    matrix[:2, :3] = [[8, 0, 2], [1, 9, 0]]
    figures = class_figures(matrix)
    assert average(figures, "macro").recall == pytest.approx((0.8 + 0.9) / 2)
    assert average(figures, "macro").precision == pytest.approx((8 / 9 + 1) / 2)
    assert average(figures, "weighted").recall == pytest.approx(0.85)
    micro = average(figures, "micro")
    assert (micro.precision, micro.recall, micro.f1) == pytest.approx((0.85, 0.85, 0.85))
    assert np.isnan(figures.recall[2])


def test_a_class_that_is_never_chosen_has_a_precision_of_0_in_averages() -> None:
    figures = class_figures(np.array([[6, 0], [4, 0]]))
    assert np.isnan(figures.precision[1])
    assert average(figures, "macro").precision == pytest.approx(0.3)
    assert average(figures, "weighted").precision == pytest.approx(0.36)


def test_a_single_class_has_no_specificity() -> None:
    assert np.isnan(average(class_figures(np.array([[7, 0], [0, 0]]))).specificity)


def test_rows_become_shares() -> None:
    assert row_shares(np.array([[3, 1], [0, 0]])).tolist() == [[0.75, 0.25], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("target", "choice"),
    [
        pytest.param([0, 1], [0], id="lengths"),
        pytest.param([0], [2], id="choice"),
        pytest.param([-1], [0], id="target"),
    ],
)
def test_refuses(target: list[int], choice: list[int]) -> None:
    with pytest.raises(InputError, match="Expected as many choices as targets, all from 0 to 1"):
        confusion_matrix(target, choice, 2)


def test_refuses_an_unknown_average() -> None:
    with pytest.raises(InputError, match="Expected one of macro, weighted, micro"):
        average(class_figures(np.eye(2, dtype=np.int64)), "samples")
