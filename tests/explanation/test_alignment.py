from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgrec.errors import InputError
from imgrec.explanation import target
from imgrec.explanation.alignment import fuse, on_image
from imgrec.explanation.attribution import Attribution
from imgrec.explanation.interpolation import enlarge
from imgrec.images.preprocessing import find_box, frame
from imgrec.predictions.labels import get_label_space

LEFT = target.of_class(get_label_space("imagenet_1k"), 0)


def attribution(values: np.ndarray, box: tuple[float, float, float, float], size_px: tuple[int, int]) -> Attribution:
    return Attribution("light", "LIGHT", LEFT, "cam", np.asarray(values, np.float32), box, size_px, 0.5, 1.0)


def test_values_lie_at_the_centers_of_cells() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(enlarge(values, (2, 3)), values)
    larger = enlarge(values, (6, 9))
    assert np.array_equal(larger[1::3, 1::3], values)
    assert larger[0, 0] == values[0, 0]
    assert larger[-1, -1] == values[-1, -1]


@given(st.integers(40, 300), st.integers(40, 300), st.sampled_from(["crop", "squash"]), st.sampled_from([0.875, 1.0]))
@settings(max_examples=40, deadline=None)
def test_a_map_lies_on_the_image_where_the_model_was_given_it(
    height: int, width: int, framing: str, crop_fraction: float
) -> None:
    """The map is the framed image itself, made of a ramp: on the image it is the ramp, and nothing outside the crop."""
    rows, columns = np.mgrid[0:height, 0:width]
    ramp = np.stack([255 * rows / (height - 1), 255 * columns / (width - 1), 0 * rows], axis=2).astype(np.uint8)
    framed = frame(ramp, (28, 28), crop_fraction, framing).astype(np.float32)
    box = find_box((height, width), (28, 28), crop_fraction, framing)
    for channel in (0, 1):
        found = on_image(attribution(framed[:, :, channel], box, (height, width)), (height, width))
        seen = np.isfinite(found)
        # The distance of each pixel's center from the nearest edge of the crop, below 0 outside.
        from_left, from_top = columns + 0.5 - box[0], rows + 0.5 - box[1]
        depth = np.minimum.reduce([from_left, box[2] - columns - 0.5, from_top, box[3] - rows - 0.5])
        is_clear = np.abs(depth) > 1e-6
        assert np.array_equal(seen[is_clear], depth[is_clear] > 0)
        # Half a cell at the edges is constant, and the resize blurs.
        assert np.abs(found[seen] - ramp[:, :, channel][seen]).mean() < 5


def test_the_mean_is_weighted_before_any_scaling() -> None:
    strong = attribution([[10.0, 0.0]], (0, 0, 20, 10), (10, 20))
    weak = attribution([[0.0, 1.0]], (0, 0, 20, 10), (10, 20))
    fused = fuse([strong, weak], [1, 3])
    assert (fused.title, fused.box, fused.size_px) == ("Ensemble", (0, 0, 20, 10), (10, 20))
    assert fused.values[5, 0] == pytest.approx(2.5)
    assert fused.values[5, -1] == pytest.approx(0.75)


def test_where_some_saw_nothing_the_others_count_and_where_none_did_nothing_stands() -> None:
    whole = attribution([[4.0]], (0, 0, 20, 10), (10, 20))
    middle = attribution([[2.0]], (5, 0, 15, 10), (10, 20))
    fused = fuse([whole, middle])
    assert (fused.values[0, 0], fused.values[0, 10]) == (4.0, 3.0)
    assert np.isnan(fuse([middle]).values[0, 0])
    assert fuse([whole, replace(middle, probability=1.0)], [1, 0]).probability == 0.5


@pytest.mark.parametrize("weights", [[1.0], [0.0, 0.0], [-1.0, 2.0]])
def test_weights_that_do_not_fit_are_refused(weights: list[float]) -> None:
    one = attribution([[4.0]], (0, 0, 20, 10), (10, 20))
    with pytest.raises(InputError, match="weights"):
        fuse([one, one], weights)
    with pytest.raises(InputError, match="maps"):
        fuse([])
