"""What each layer computes for one image."""

from pathlib import Path

import numpy as np
import pytest

from imgrec.errors import InputError
from imgrec.explanation import feature_maps
from imgrec.explanation.feature_maps import Channel, FeatureMaps
from imgrec.explanation.layers import Layer, read_layers
from imgrec.inference.openvino_engine import OpenVINOEngine
from tests.explanation.networks import SIDE, save_network


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save_network(tmp_path)


@pytest.fixture
def image() -> np.ndarray:
    """Red in the upper half, green in the left tenth, no blue."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[: SIDE // 2, :, 0] = 255
    pixels[:, : SIDE // 10, 1] = 51
    return pixels


def test_maps_lie_as_the_image_does_in_every_order_of_axes(path: Path, image: np.ndarray) -> None:
    layers = read_layers(path)
    found = {one.layer.kind: one for one in feature_maps.compute(path, image, layers[1:6])}
    for kind in ("normalization", "convolution", "relu", "max_pooling", "batch_normalization"):
        red, green = found[kind].maps[:2]
        half, tenth = red.shape[0] // 2, red.shape[1] // 10
        assert [channel.place for channel in found[kind].channels[:2]] == [0, 1]
        assert red[:half].min() == 255, kind
        assert red[half:].max() == 0, kind
        assert green[:, :tenth].min() == 255, kind
        assert green[:, tenth + 1 :].max() == 0, kind
    red, green, blue = found["relu"].channels[:3]
    assert (red.least, red.most, red.mean) == pytest.approx((0, 1, 0.5))
    assert green.most == pytest.approx(0.2)
    assert (blue.least, blue.most) == (0, 0)
    # Batch normalization of this network doubles.
    assert found["batch_normalization"].channels[0].most == pytest.approx(2, abs=2e-3)


def test_the_last_layer_is_what_the_engine_predicts(path: Path, image: np.ndarray) -> None:
    (last,) = feature_maps.compute(path, image, read_layers(path)[-1:])
    engine = OpenVINOEngine(path, 0)
    np.testing.assert_allclose(last.values, engine.predict(image[np.newaxis])[0], rtol=1e-4)
    engine.close()
    assert last.channels == ()
    assert not last.maps.size


def test_another_size_is_refused(path: Path) -> None:
    with pytest.raises(InputError, match="224, 224"):
        feature_maps.compute(path, np.zeros((32, 32, 3), np.uint8), read_layers(path))


def layer(mib: int) -> Layer:
    return Layer("relu", "", (1024, 256, mib), 0, 0)


def test_groups_follow_each_other_and_keep_to_their_limit() -> None:
    layers = [layer(mib) for mib in (20, 12, 1, 40, 3, 3, 30)]
    groups = [feature_maps.group_of(layers, at) for at in range(len(layers))]
    assert list(dict.fromkeys(groups)) == [range(2), range(2, 3), range(3, 4), range(4, 6), range(6, 7)]
    assert all(at in group for at, group in enumerate(groups))
    for group in groups:
        total = sum(layers[at].bytes for at in group)
        assert total <= feature_maps.GROUP_BYTES or len(group) == 1


def test_what_comes_before_large_weights_does_not_wait_for_them() -> None:
    sizes = (10, 20, 400, 30, 64)
    layers = [Layer("dense", "", (10,), mib * 2**18, 0) for mib in sizes]
    groups = [feature_maps.group_of(layers, at) for at in range(len(layers))]
    assert groups == [range(2), range(2), range(2, 3), range(3, 4), range(4, 5)]


def test_needed_bytes_are_weights_up_to_the_end_and_outputs_of_the_group() -> None:
    layers = [Layer("dense", "", (10,), parameters, 0) for parameters in (100, 1000, 10_000)]
    alone = feature_maps.needed_bytes(layers, range(1, 2))
    assert alone == 4 * 1100 + 40 + feature_maps.OVERHEAD_BYTES


def test_dropping_sets_about_that_share_of_values_to_zero_and_leaves_the_rest() -> None:
    values = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (1, 64, 1))
    # From -1 to 3: zero is a quarter of the way.
    channel = Channel(0, -1.0, 1.0, 3.0)
    found = FeatureMaps(layer(1), (channel,), values, np.empty(0, np.float32))
    dropped = feature_maps.drop(found, 0.25)
    changed = dropped != values
    assert changed.mean() == pytest.approx(0.25, abs=0.03)
    assert set(dropped[changed].tolist()) == {64}
    assert (feature_maps.drop(found, 0.25) == dropped).all()
    assert (feature_maps.drop(found, 0.0) == values).all()
