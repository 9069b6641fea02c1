"""The image as numbers: a few pixels of what a network is given, before and after normalization."""

import numpy as np
import streamlit as st

from imgrec.images import preprocessing
from imgrec.images.preprocessing import PREPROCESS
from imgrec.models.catalog import ModelSpec
from imgrec.ui import query_params

# Pixels along each side of the part that is shown as numbers.
PATCH_PX = 8

# A small framed image is enlarged to about this side.
VIEW_PX = 240

CHANNELS = ("Red", "Green", "Blue")
BOX_COLOR = (255, 0, 160)

BEFORE, AFTER = "0 to 255", "After normalization"

RAW = (
    "A pixel is three numbers, for red, green and blue: 0 is none of it, 255 is all. Black is 0 0 0, white 255 255 255."
)

NORMALIZATIONS = {
    "tf": "This network takes values from −1 to 1: each number is divided by 127.5, then 1 is subtracted.",
    "caffe": "This network takes blue, green, red, in this order, each less the mean of ImageNet's images.",
    "torch": "This network takes each channel less the mean of ImageNet's images, divided by its spread.",
    "unit": "This network takes values from 0 to 1: each number is divided by 255.",
    "identity": "This network takes the numbers as they are; what they need is done by its own first layers.",
}


def show(pixels: np.ndarray, spec: ModelSpec) -> None:
    """Show the framed image `pixels`, uint8 (height, width, 3), with some of its pixels as numbers."""
    height, width = pixels.shape[:2]
    with st.container(horizontal=True, gap="medium"):
        row = _position("Row", "pixel_row", height)
        column = _position("Column", "pixel_column", width)
    patch = pixels[row : row + PATCH_PX, column : column + PATCH_PX]
    is_normalized = _numbers() == AFTER
    with st.container(horizontal=True, gap="medium"):
        st.image(
            _boxed(pixels, row, column),
            f"{width} × {height} px, as {spec.title} gets it",
            alt=f"The framed image; a box marks rows {row} to {row + PATCH_PX - 1}, columns {column} to "
            f"{column + PATCH_PX - 1}",
            output_format="PNG",
        )
        if is_normalized:
            st.html(_table(patch, preprocessing.normalize(patch, spec.preprocess), row, column, spec.preprocess))
        else:
            st.html(_table(patch, patch, row, column))
    st.caption(NORMALIZATIONS[spec.preprocess] if is_normalized else RAW)


def _position(label: str, key: str, side: int) -> int:
    """Choose the first row or column of the part."""
    most = side - PATCH_PX
    kept = query_params.choices().get(key)
    if isinstance(st.session_state.get(key), int):
        st.session_state[key] = min(st.session_state[key], most)
    elif kept is not None and key not in st.query_params:
        st.session_state[key] = min(kept, most)
    usual = most // 2
    query_params.number(key, f"the {label.lower()}", 0, most)
    found = int(st.slider(label, 0, most, usual, key=key, bind="query-params", width=220))
    query_params.choices()[key] = found
    return found


def _numbers() -> str:
    return query_params.segmented(
        "Numbers", "kind of numbers", (BEFORE, AFTER), BEFORE, "numbers", label_visibility="collapsed"
    )


def _boxed(pixels: np.ndarray, row: int, column: int) -> np.ndarray:
    """Return the image, enlarged where it is small, with a box around the part."""
    times = max(1, VIEW_PX // pixels.shape[1])
    large = pixels.repeat(times, axis=0).repeat(times, axis=1)
    top, left, side = row * times, column * times, PATCH_PX * times
    edge = max(2, times // 3)
    for line in (
        np.s_[top : top + edge, left : left + side],
        np.s_[top + side - edge : top + side, left : left + side],
        np.s_[top : top + side, left : left + edge],
        np.s_[top : top + side, left + side - edge : left + side],
    ):
        large[line] = BOX_COLOR
    return large


def _table(patch: np.ndarray, numbers: np.ndarray, row: int, column: int, mode: str = "identity") -> str:
    """Return the numbers of a part as a table whose cells have the colors of their pixels."""
    order = CHANNELS[::-1] if PREPROCESS[mode].reverse_channels else CHANNELS
    digits = 0 if numbers.dtype == np.uint8 or mode == "identity" else 1 if mode == "caffe" else 2
    heads = "".join(f'<th scope="col">{column + place}</th>' for place in range(patch.shape[1]))
    body = []
    for place, (colors, values) in enumerate(zip(patch, numbers, strict=True)):
        cells = "".join(_cell(color, value, digits) for color, value in zip(colors, values, strict=True))
        body.append(f'<tr><th scope="row">{row + place}</th>{cells}</tr>')
    return (
        f'<table class="imgrec-pixels"><caption>Each cell: {", ".join(order).lower()}. Rows and columns are counted '
        f"from the upper left corner.</caption><thead><tr><td></td>{heads}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _cell(color: np.ndarray, values: np.ndarray, digits: int) -> str:
    red, green, blue = (int(value) for value in color)
    # Black on what is light, white on what is dark (WCAG's relative luminance, approximately).
    ink = "#000" if 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 > 0.18 * 255**2.2 else "#fff"
    lines = "<br>".join(f"{value:.{digits}f}".replace("-", "−") for value in values.tolist())
    return f'<td style="background:rgb({red},{green},{blue});color:{ink}">{lines}</td>'
