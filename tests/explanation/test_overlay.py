"""Maps over their photo: colors, opacity, what was not seen, contours."""

import numpy as np
import pytest

from imgrec.explanation import overlay
from imgrec.explanation.overlay import Scale, common_scale, draw

PHOTO = np.full((40, 40, 3), (200, 100, 50), np.uint8)


def test_one_scale_holds_the_extremes_of_all_maps_around_zero() -> None:
    weak, strong = np.array([[-1.0, 2.0]]), np.array([[np.nan, 8.0]])
    assert common_scale([weak, strong]) == Scale(8.0, -1.0, 8.0)
    assert common_scale([np.array([[-4.0, -2.0]])]) == Scale(4.0, -4.0, 0.0)
    # Nothing to divide by.
    assert common_scale([np.full((2, 2), np.nan)]) == Scale(1.0, 0.0, 0.0)


def test_without_opacity_the_photo_is_as_it_was() -> None:
    values = np.linspace(-1, 1, 1600).reshape(40, 40)
    assert (draw(PHOTO, values, common_scale([values]), opacity=0) == PHOTO).all()


def test_for_is_warm_against_is_cold_and_zero_is_gray() -> None:
    values = np.repeat([[-1.0, 0.0, 1.0]], 40, axis=0).repeat([13, 14, 13], axis=1)
    drawn = draw(PHOTO, values, common_scale([values]), opacity=0.8).astype(int)
    against, zero, favor = drawn[20, 5], drawn[20, 20], drawn[20, 35]
    assert against[2] > against[0] + 50
    assert favor[0] > favor[2] + 50
    assert zero[0] == zero[1] == zero[2]


def test_equal_values_have_equal_colors_in_every_map_of_a_scale() -> None:
    one, other = np.full((40, 40), 2.0), np.full((40, 40), 8.0)
    scale = common_scale([one, other])
    assert (draw(PHOTO, one, scale, opacity=1) != draw(PHOTO, other, scale, opacity=1)).any()
    both = np.hstack([one[:, :20], other[:, :20]])
    assert (draw(PHOTO, both, scale, opacity=1)[:, :20] == draw(PHOTO, one, scale, opacity=1)[:, :20]).all()


def test_stronger_is_lighter_on_both_sides_of_zero() -> None:
    for colors in (overlay.FOR, overlay.AGAINST):
        lightness = overlay.ramp(np.linspace(0, 1, 50), colors) @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(lightness) > 0).all()


def test_what_was_not_seen_is_dark_and_gray_whatever_the_opacity() -> None:
    values = np.full((40, 40), np.nan)
    values[10:30, 10:30] = 1
    for opacity in (0, 1):
        corner = draw(PHOTO, values, common_scale([values]), opacity=opacity)[0, 0]
        assert corner.max() - corner.min() == 0
        assert corner.max() < PHOTO[0, 0].max() / 2


def test_a_contour_encloses_the_upper_half_of_a_map_and_nothing_where_nothing_speaks_for_it() -> None:
    values = np.zeros((40, 40))
    values[10:30, 10:30] = 1.0
    scale = common_scale([values])
    plain, lined = (draw(PHOTO, values, scale, opacity=0.5, contour=contour) for contour in (False, True))
    changed = (plain != lined).any(axis=2)
    assert changed[10:30, 10].all()
    assert changed[10, 10:30].all()
    assert not changed[16:24, 16:24].any()
    assert not changed[:10].any()
    assert {tuple(color) for color in lined[changed].tolist()} == {(0, 0, 0), (255, 255, 255)}
    against = -values
    plain, lined = (draw(PHOTO, against, common_scale([against]), opacity=0.5, contour=c) for c in (False, True))
    assert (plain == lined).all()


def test_a_legend_runs_from_the_lowest_to_the_highest_value() -> None:
    colors = overlay.legend(Scale(10.0, -10.0, 10.0), 21).astype(int)
    assert colors.shape == (21, 3)
    assert colors[10].tolist() == [128, 128, 128]
    assert colors[0] == pytest.approx(overlay.AGAINST[-1], abs=1)
    assert colors[-1] == pytest.approx(overlay.FOR[-1], abs=1)
    assert overlay.legend(Scale(10.0, 0.0, 10.0), 5)[0].tolist() == [128, 128, 128]
