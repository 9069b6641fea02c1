"""The layers of every network of the catalog as Keras builds it, stored in `assets/layers`, and what follows from them.

assets/layers/<model>.csv    a row a layer in Keras' order; written by `bench.layer_tables`
assets/printed_layers.json   tables of publications, in their own words
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from imgrec.settings import ASSETS

FOLDER = ASSETS / "layers"

COLUMNS = ("name", "kind", "stride", "input", "filter", "output", "parameters", "macs", "depth")


@dataclass(frozen=True, slots=True)
class NetworkLayer:
    """One layer for one image: shapes in words, without the batch.

    `kind` is the class of Keras, `filter` the size of its kernel, `macs` the number of its multiply-accumulates,
    `depth` how many layers with weights are on the longest way from the image through it.
    """

    name: str
    kind: str
    stride: str
    input: str
    filter: str
    output: str
    parameters: int
    macs: int
    depth: int


@dataclass(frozen=True, slots=True)
class PrintedLayers:
    """A table of a publication about the layers of `model`, `rows` with a cell for each of `columns`."""

    model: str
    title: str
    source: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    remark: str


@lru_cache(maxsize=64)
def read_network(model: str) -> tuple[NetworkLayer, ...]:
    """Return the layers of a built-in model, the input first; none for a model that was trained elsewhere."""
    path = FOLDER / f"{model}.csv"
    if not model.replace("_", "").isalnum() or not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return tuple(
        NetworkLayer(name, kind, stride, given, filters, made, int(parameters), int(macs), int(depth))
        for name, kind, stride, given, filters, made, parameters, macs, depth in rows
    )


def depth_of(model: str) -> int | None:
    """Return the number of layers with weights on the longest way through a network; None where it is not known."""
    return max((layer.depth for layer in read_network(model)), default=None)


def read_printed() -> list[PrintedLayers]:
    """Return the printed tables of layers."""
    content = json.loads((ASSETS / "printed_layers.json").read_text(encoding="utf-8"))
    return [PrintedLayers(**one) for one in content["tables"]]
