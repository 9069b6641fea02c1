"""Colors that can be told apart on every page and by every eye, and that each model keeps."""

import itertools
import tomllib

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrec.charts.colors import (
    COLORS,
    ENSEMBLE_COLOR,
    OVER_BUDGET_COLOR,
    USUAL_MODELS,
    Swatch,
    color_of,
    kept_swatches,
    swatch_of,
    swatches_of,
)
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ROOT

Floats = npt.NDArray[np.float64]

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear sRGB.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
# Björn Ottosson's OKLab, in which equal distances look equally different.
TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
# About four times what the eye just sees (0.02). The best eight within these contrasts reach 0.106, in neon;
# Okabe and Ito's eight, gray in place of black, 0.021.
LEAST_DISTANCE = 0.08


def linear(color: str) -> Floats:
    """Linear sRGB (3,) of "#rrggbb"."""
    channels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def distance(one: str, two: str, sight: str) -> float:
    """As seen with `sight`, in OKLab."""
    lab = [TO_LAB @ np.cbrt(TO_LMS @ np.clip(SIGHTS[sight] @ linear(color), 0, 1)) for color in (one, two)]
    return float(np.linalg.norm(lab[0] - lab[1]))


def contrast(one: str, two: str) -> float:
    """WCAG 2 contrast ratio, 1 to 21."""
    luminances = sorted(float(linear(color) @ [0.2126, 0.7152, 0.0722]) + 0.05 for color in (one, two))
    return luminances[1] / luminances[0]


@pytest.mark.parametrize("page", ["#ffffff", "#fbfaf7", "#0e1117", "#12171d"])
@pytest.mark.parametrize("color", [*COLORS, ENSEMBLE_COLOR, OVER_BUDGET_COLOR])
def test_colors_stand_out_from_the_page(color: str, page: str) -> None:
    assert contrast(color, page) >= 3


@pytest.mark.parametrize("sight", SIGHTS)
def test_colors_can_be_told_apart(sight: str) -> None:
    pairs = itertools.combinations([*COLORS, ENSEMBLE_COLOR], 2)
    assert min(distance(one, two, sight) for one, two in pairs) >= LEAST_DISTANCE


@pytest.mark.parametrize("sight", SIGHTS)
def test_colors_of_memory_can_be_told_apart(sight: str) -> None:
    assert distance(COLORS[0], OVER_BUDGET_COLOR, sight) >= LEAST_DISTANCE
    assert distance(COLORS[0], COLORS[4], sight) >= LEAST_DISTANCE


def test_colors_of_the_usual_models_are_all_different() -> None:
    assert [color_of(name) for name in USUAL_MODELS] == list(COLORS)
    assert swatches_of(USUAL_MODELS) == {name: Swatch(color_of(name)) for name in USUAL_MODELS}


def test_colors_of_the_bundled_models_are_not_those_of_the_first_usual_ones() -> None:
    bundled = {color_of(spec.name) for spec in BUILT_IN.values() if spec.bundled}
    assert len(bundled) == 4
    assert not bundled & {color_of(name) for name in USUAL_MODELS[:4]}


@given(st.lists(st.sampled_from([*BUILT_IN, "mine", "another"]), max_size=24, unique=True))
def test_no_two_models_of_a_selection_look_the_same(models: list[str]) -> None:
    swatches = swatches_of(models)
    assert set(swatches) == set(models)
    assert len(set(swatches.values())) == len(models)
    assert max((swatch.turn for swatch in swatches.values()), default=0) == max(len(models) - 1, 0) // 8


@given(st.lists(st.sampled_from(sorted(BUILT_IN)), min_size=2, max_size=8, unique=True))
def test_a_usual_model_keeps_its_color(models: list[str]) -> None:
    swatches = swatches_of(models)
    for model in set(models) & set(USUAL_MODELS):
        assert swatches[model] == Swatch(color_of(model))
    assert swatches == swatches_of(reversed(models))


def test_the_later_of_two_takes_a_free_color() -> None:
    assert color_of("vgg19") == color_of("mobilenet_v3_small") == COLORS[0]
    assert swatches_of(["mobilenet_v3_small", "vgg19"]) == {
        "vgg19": Swatch(COLORS[0]),
        "mobilenet_v3_small": Swatch(COLORS[1]),
    }


def test_a_model_of_the_catalog_keeps_its_color_beside_an_unknown_one() -> None:
    unknown = next(name for name in map(str, range(1000)) if color_of(name) == color_of("vgg19"))
    assert swatches_of([unknown, "vgg19"])["vgg19"] == Swatch(color_of("vgg19"))


def test_the_ninth_model_has_a_color_again_and_another_mark() -> None:
    nine = [*USUAL_MODELS, "densenet121"]
    assert swatch_of("densenet121", nine) == Swatch(color_of("densenet121"), 1)
    assert swatch_of("densenet121", nine).markdown.startswith(":color[□]")
    assert swatch_of("mobilenet", nine).markdown == f':color[■]{{foreground="{COLORS[3]}"}}'


def test_colors_of_unknown_models_are_fixed_too() -> None:
    assert color_of("mine") == color_of("mine")
    assert color_of("mine") in COLORS


def test_the_ensemble_has_its_own() -> None:
    assert color_of("ensemble") == ENSEMBLE_COLOR


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_colors_are_the_themes(mode: str) -> None:
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"][mode]
    assert [color.lower() for color in theme["chartCategoricalColors"]] == list(COLORS)


@given(st.lists(st.lists(st.sampled_from(sorted(BUILT_IN)), max_size=8, unique=True), min_size=2, max_size=6))
def test_a_model_keeps_its_color_while_others_come_and_go(visit: list[list[str]]) -> None:
    before: dict[str, Swatch] = {}
    for models in visit:
        now = kept_swatches(models, before)
        assert list(now) == models
        assert len({swatch.color for swatch in now.values()}) == len(models)
        assert all(now[model] == before[model] for model in models if model in before)
        assert all(swatch_of(model, now) == now[model] for model in models)
        before = now


@pytest.mark.parametrize("model", BUILT_IN)
def test_a_twin_has_the_color_of_its_original_by_itself_and_another_beside_it(model: str) -> None:
    twin = f"{model}.int8"
    assert color_of(twin) == color_of(model)
    found = swatches_of([twin, model])
    assert found[model].color == color_of(model)
    assert found[twin] != found[model]
