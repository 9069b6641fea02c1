"""Accuracy in words: percentages of many images, counts with their interval of few."""

import doctest

import pytest

from imgrec.reports import accuracy
from imgrec.reports.accuracy import in_words, is_few, is_vague, short


def plain(text: str) -> str:
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("share", "images", "words"),
    [
        (1.0, 10, "10 of 10 test images correct (95 %: 72–100 %); too few to tell"),
        (0.0, 4, "0 of 4 test images correct (95 %: 0–49 %); too few to tell"),
        (2 / 3, 3, "2 of 3 test images correct (95 %: 21–94 %); too few to tell"),
        (80 / 81, 81, "80 of 81 test images correct (95 %: 93–100 %)"),
        (0.5, 99, "50 of 99 test images correct (95 %: 41–60 %)"),
        (0.5, 100, "50.0 % accuracy on 100 test images"),
        (0.786, 10_000, "78.6 % accuracy on 10,000 test images"),
    ],
)
def test_accuracy_in_words(share: float, images: int, words: str) -> None:
    assert plain(in_words(share, images, "test")) == words


@pytest.mark.parametrize("images", [100, 101, 1000])
def test_what_is_stated_as_a_percentage_is_never_vague(images: int) -> None:
    assert not is_few(images)
    assert not any(is_vague(right / images, images) for right in range(images + 1))


def test_the_short_form_needs_the_number_of_images() -> None:
    assert plain(short(0.75, None)) == plain(short(0.75, 400)) == "75.0 %"
    assert short(0.75, 16) == "12 of 16"


def test_examples_in_docstrings() -> None:
    found = doctest.testmod(accuracy)
    assert found.attempted
    assert not found.failed
