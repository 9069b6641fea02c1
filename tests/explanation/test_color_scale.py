"""Colors for numbers."""

import numpy as np

from imgrec.explanation.color_scale import stretched, viridis


def test_viridis_has_its_known_colors_and_grows_lighter() -> None:
    # matplotlib's at 0, 1/2 and 1.
    known = np.array([[68, 1, 84], [33, 145, 140], [253, 231, 37]])
    assert np.abs(viridis(np.array([0, 0.5, 1])).astype(int) - known).max() <= 4
    lightness = viridis(np.linspace(0, 1, 64)) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all()


def test_values_outside_have_the_color_of_the_end() -> None:
    assert (viridis(np.array([-1.0, 2.0])) == viridis(np.array([0.0, 1.0]))).all()


def test_stretched_reaches_from_0_to_1_and_leaves_equal_values_at_0() -> None:
    values = stretched(np.array([[3.0, 5.0], [4.0, 3.5]]))
    assert values.tolist() == [[0, 1], [0.5, 0.25]]
    assert not stretched(np.full((2, 2), 7.0)).any()
