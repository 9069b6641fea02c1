"""What a reader sees of a chart: marks with their rows, and the scales, axes and legends that they are drawn by."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import altair as alt

from imgrec.charts.theme import PLACE_DIGITS, PLACED, Rows, Spec


@dataclass(frozen=True)
class Mark:
    """One layer: its shape, its look, its channels and the rows that it draws."""

    shape: str
    look: Spec
    channels: Spec
    rows: Rows


def marks(spec: Spec) -> Iterator[Mark]:
    """Yield the layers of a chart, the lowest first."""
    for layer in spec["layer"]:
        look = layer["mark"] if isinstance(layer["mark"], dict) else {"type": layer["mark"]}
        channels = spec.get("encoding", {}) | layer["encoding"]
        yield Mark(look["type"], look, channels, layer.get("data", spec.get("data"))["values"])


def mark(spec: Spec, shape: str, field: str = "") -> Mark:
    """Return the lowest layer of this shape whose rows have the field."""
    return next(one for one in marks(spec) if one.shape == shape and all(field in row or not field for row in one.rows))


def drawn(spec: Spec, shape: str, field: str = "") -> Rows:
    """Return the rows of `mark`."""
    return mark(spec, shape, field).rows


def words(spec: Spec, channel: str, side: str = "left") -> list[str]:
    """Return the words of an ordinal axis in their order; of two axes those on one side."""
    for one in marks(spec):
        axis = one.channels[channel]["axis"]
        if axis.get("orient", "left") == side or channel == "x":
            assert axis["labelExpr"] == PLACED
            assert "sort" not in one.channels[channel]
            return [text[PLACE_DIGITS:] for text in sorted({row[one.channels[channel]["field"]] for row in one.rows})]
    raise AssertionError(f"no axis of {channel} on the {side}")


def legend(spec: Spec, shape: str, channel: str = "color") -> dict[str, Any]:
    """Return what the legend says: name → color, dash …; empty where there is none."""
    found = (bars(spec) if shape == "bar" else mark(spec, shape, "series")).channels
    scale = found[channel].get("scale")
    if not scale or found[channel].get("legend") is None:
        return {}
    return dict(zip(scale["domain"], scale["range"], strict=True))


def bars(spec: Spec) -> Mark:
    """Return the bars of a chart of labels, bars and figures; the lowest layer is their track."""
    return [one for one in marks(spec) if one.shape == "bar"][-1]


def check(spec: Spec) -> None:
    """Validate a chart as it is sent; raises what Altair raises."""
    alt.LayerChart.from_dict(spec, validate=True).to_dict(validate=True)
