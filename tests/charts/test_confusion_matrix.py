"""Matrices: cells that carry their classes, counts and shades, and figures that can be read."""

import numpy as np
import pytest

from imgrec.charts import confusion_matrix
from imgrec.charts.confusion_matrix import describe_run_matrix
from tests.charts.reading import drawn, mark, marks, words

MATRIX = np.array([[8, 2], [0, 10]])


@pytest.mark.parametrize("shade", confusion_matrix.SHADES)
def test_a_cell_carries_its_class_and_its_shade(shade: str) -> None:
    classes = ([3, 5], [3, 5])
    spec = confusion_matrix.matrix_chart(
        MATRIX, ["cat", "dog"], ["cat", "dog"], shade=shade, pick="cell", indices=classes
    )
    cells = drawn(spec, "rect")
    assert [(cell["row"], cell["column"]) for cell in cells] == [(3, 3), (3, 5), (5, 3), (5, 5)]
    assert max(cell["strength"] for cell in cells) == 1.0
    assert cells[2]["strength"] == 0.0
    assert cells[1]["figure"] == ("20" if shade == "rows" else "2")
    assert [one["border"] > 0 for one in cells] == [True, False, False, True]


def test_a_tooltip_says_how_many_images_of_a_class_were_taken_for_another() -> None:
    """Two of ten cats were taken for dogs, and no dog for a cat: transposed counts would say the reverse."""
    spec = confusion_matrix.matrix_chart(MATRIX, ["cat", "dog"], ["cat", "dog"])
    square = mark(spec, "rect")
    titles = [(channel.get("title", channel["field"]), channel["field"]) for channel in square.channels["tooltip"]]
    told = [tuple(cell[field] for _, field in titles) for cell in square.rows]
    assert [title for title, _ in titles] == ["True", "Predicted", "Images", "Share of the row"]
    assert told[1] == ("cat", "dog", "2", "20.0\u202f%")
    assert told[2] == ("dog", "cat", "0", "0\u202f%")
    # Where the cells stand says the same: rows are true classes.
    assert (square.channels["y"]["axis"]["title"], square.channels["x"]["axis"]["title"]) == ("True", "Predicted")
    assert [(cell["down"][4:], cell["across"][4:]) for cell in square.rows[1:3]] == [("cat", "dog"), ("dog", "cat")]
    assert mark(spec, "text").channels["tooltip"] == square.channels["tooltip"]


def test_a_click_picks_the_classes_of_a_cell() -> None:
    spec = confusion_matrix.matrix_chart(MATRIX, ["cat", "dog"], ["cat", "dog"], pick="cell")
    [selection] = spec["params"]
    assert (selection["name"], selection["select"]) == ("cell", {"type": "point", "fields": ["row", "column"]})
    assert "params" not in confusion_matrix.matrix_chart(MATRIX, ["cat", "dog"], ["cat", "dog"])


def test_a_run_has_counts_in_shades_of_shares() -> None:
    cells = drawn(confusion_matrix.matrix_chart(MATRIX, ["cat", "dog"], ["cat", "dog"], counts=True), "rect")
    assert [(cell["figure"], cell["strength"]) for cell in cells] == [("8", 0.8), ("2", 0.2), ("", 0.0), ("10", 1.0)]


def test_many_classes_have_shades_and_no_figures() -> None:
    names = [f"class {i}" for i in range(20)]
    cells = drawn(confusion_matrix.matrix_chart(np.eye(20, dtype=np.int64), names, names), "rect")
    assert {cell["figure"] for cell in cells} == {""}


def test_labels_stay_in_their_order_and_are_never_run() -> None:
    labels = ["b", '"]+alert(1)//', "a", "b"]
    spec = confusion_matrix.matrix_chart(np.eye(4, dtype=np.int64), labels, labels)
    assert words(spec, "x") == words(spec, "y") == labels
    assert "alert" not in str([one.channels for one in marks(spec)])


def test_a_matrix_in_words() -> None:
    matrix = np.array([[8, 2], [1, 9]])
    assert confusion_matrix.describe_matrix(matrix, ["cat", "dog"]) == (
        "17 of 20 images are correct. Mistakes, each at most twice: cat taken for dog (2), dog taken for cat (1)."
    )
    many = np.eye(5, dtype=np.int64)
    many[[0, 1, 2, 3], [1, 2, 3, 4]] = [5, 2, 1, 1]
    assert confusion_matrix.describe_matrix(many, "abcde").endswith(
        "Most frequent mistakes: a taken for b (5), b taken for c (2)."
    )
    many[0, 1], many[1, 2] = 1, 1
    assert (
        confusion_matrix.describe_matrix(many, "abcde")
        == "5 of 9 images are correct. Mistakes, each once: 4 pairs of classes."
    )
    assert confusion_matrix.describe_matrix(np.diag([3, 4]), ["cat", "dog"]) == "7 of 7 images are correct."


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (
            [[3, 1], [0, 6]],
            "9 of 10 validation images correct (95 %: 60–98 %); too few to tell. "
            "Most frequent error: cat predicted as dog (once).",
        ),
        (
            [[3, 1], [2, 4]],
            "7 of 10 validation images correct (95 %: 40–89 %); too few to tell. "
            "Most frequent error: dog predicted as cat (2 times).",
        ),
        ([[3, 0], [0, 4]], "7 of 7 validation images correct (95 %: 65–100 %); too few to tell."),
        (None, "No confusion matrix is stored for 2 classes."),
    ],
    ids=["one mistake", "mistakes", "none", "no matrix"],
)
def test_the_matrix_of_a_run_in_words(matrix: list[list[int]] | None, words: str) -> None:
    assert describe_run_matrix(matrix, ["cat", "dog"], "validation").replace("\u202f", " ") == words


def test_training_images_are_counted_without_an_interval() -> None:
    assert describe_run_matrix([[3, 0], [0, 4]], ["cat", "dog"], "training") == "7 of 7 training images correct."


def test_a_square_tells_long_names_apart() -> None:
    titles = ["MobileNet, taught (flowers_1em04)", "MobileNet, taught (flowers_1em05)"]
    square = confusion_matrix.square_chart(np.eye(2), titles, domain=(0.0, 1.0), as_percent=True)
    assert words(square, "y") == ["MobileNet, taught (fl…1em04)", "MobileNet, taught (fl…1em05)"]
    assert {cell["first"] for cell in drawn(square, "rect")} == set(titles)


def test_a_narrow_square_has_whole_percents() -> None:
    table = np.array([[1.0, 0.9996], [0.004, float("nan")]])
    spec = confusion_matrix.square_chart(table, ["a", "b"], domain=(0.0, 1.0), as_percent=True)
    assert [cell["short"] for cell in drawn(spec, "text")] == ["100", ">99", "<1", "–"]
    nothing, whole = mark(spec, "text").channels["text"]["condition"]
    assert (nothing["test"], whole["test"]) == ("bandwidth('x') < 24", "bandwidth('x') < 42")


def test_a_square_in_words() -> None:
    table = np.array([[1.0, 0.25, 0.5], [0.25, 1.0, -0.1], [0.5, -0.1, 1.0]])
    said = confusion_matrix.describe_square(table, ["a", "b", "c"], "Correlation of errors", as_percent=False)
    assert said == "Correlation of errors: from −0.10 (c and b) to 0.50 (c and a)."
    assert confusion_matrix.describe_square(np.array([[1.0]]), ["a"], "X", as_percent=False) == "X: there are no pairs."


def luminance(color: str, over: str, opacity: float) -> float:
    """Relative luminance (WCAG 2.2) of a color that lies over another."""
    shares = []
    for i in (1, 3, 5):
        mixed = (opacity * int(color[i : i + 2], 16) + (1 - opacity) * int(over[i : i + 2], 16)) / 255
        shares.append(mixed / 12.92 if mixed <= 0.04045 else ((mixed + 0.055) / 1.055) ** 2.4)
    return 0.2126 * shares[0] + 0.7152 * shares[1] + 0.0722 * shares[2]


@pytest.mark.parametrize("page", ["#FBFAF7", "#0E1318"], ids=["light", "dark"])
def test_figures_in_cells_can_be_read(page: str) -> None:
    """4.5:1 at every shade, as WCAG asks of small text."""
    spec = confusion_matrix.matrix_chart(np.eye(2, dtype=np.int64), "ab", "ab")
    white_where = mark(spec, "text").channels["color"]["condition"][0]["test"]
    assert white_where == f"datum.strength >= {confusion_matrix.WHITE_FROM} || luminance(background) < 0.4"
    weakest, strongest = confusion_matrix.OPACITIES
    for strength in np.linspace(0, 1, 201):
        cell = luminance(confusion_matrix.MATRIX_COLOR, page, weakest + (strongest - weakest) * strength)
        white = strength >= confusion_matrix.WHITE_FROM or luminance(page, page, 1) < 0.4
        figure = luminance("#ffffff" if white else confusion_matrix.BLACK, page, 1)
        contrast = (max(cell, figure) + 0.05) / (min(cell, figure) + 0.05)
        assert contrast >= 4.5, (strength, contrast)
