"""The layers of a network that work in training alone, put back among those of its compiled graph.

Converting leaves dropout out, since it does nothing afterwards. Where the network was saved as a chain of layers, each
dropout layer is shown in its place, with the values of the layer before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from imgrec.errors import InputError
from imgrec.explanation.layers import Layer
from imgrec.models import layer_table

# A kind in a table of layers → the kinds of a compiled layer that it can be.
_COMPILED = {
    "Convolution": {"convolution", "pointwise"},
    "Max-pooling": {"max_pooling"},
    "Flatten": {"flatten"},
    "Dense": {"dense"},
    "Softmax": {"softmax"},
}

_BEFORE_THE_FIRST = ("input", "normalization")


def with_dropout(layers: Sequence[Layer], saved: Path | None) -> tuple[Layer, ...]:
    """Return `layers` with the dropout layers of the `.keras` file `saved` in their places.

    They are returned as they are where there is no such file, or its network is no chain of the same layers. Raises
    `StorageError` where the file cannot be read.
    """
    if saved is None or saved.suffix != ".keras":
        return tuple(layers)
    try:
        rows = layer_table.read_layers(saved)
        return tuple(_merge(layers, rows))
    except InputError:
        return tuple(layers)


def _merge(layers: Sequence[Layer], rows: Sequence[layer_table.Layer]) -> Iterator[Layer]:
    """Yield the compiled layers and the dropout layers among `rows`; raises `InputError` where the two do not fit."""
    left = [layer for layer in layers if layer.kind not in _BEFORE_THE_FIRST]
    last = layers[0]
    yield from (layer for layer in layers if layer.kind in _BEFORE_THE_FIRST)
    for row in rows:
        if row.kind == "Input":
            continue
        if row.kind == "Dropout":
            last = replace(last, kind="dropout", detail=row.about, parameters=0, rate=row.rate)
            yield last
            continue
        kinds = [_COMPILED.get(row.kind, {row.about}), *([{"relu"}] if row.about.endswith("then ReLU") else [])]
        for expected in kinds:
            if not left or left[0].kind not in expected:
                raise InputError(f"Expected one of the layers {sorted(expected)}. Received: {left[:1]}.")
            last = left.pop(0)
            yield last
    yield from left
