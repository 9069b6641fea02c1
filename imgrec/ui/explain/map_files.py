"""The maps of a page as a table and as files: images, values, figures."""

import io
import zipfile
from collections.abc import Sequence
from functools import partial

import streamlit as st

from imgrec.explanation import map_report
from imgrec.explanation.map_report import MeasuredMap
from imgrec.images import encoding
from imgrec.ui.compare import result_cards
from imgrec.ui.elements import download
from imgrec.ui.explain import map_cards
from imgrec.ui.explain.map_cards import Look
from imgrec.ui.image_input import Image

# Below the table.
QUARTERS = "Upper left to lower right: the parts of what speaks for the class in the quarters of the image."


def table(maps: Sequence[MeasuredMap]) -> None:
    """Show the figures of the maps as a table."""
    words = "; ".join(f"{one.found.title}: {one.figures.sentence}" for one in maps)
    result_cards.table(map_report.to_rows(maps), words)
    st.caption(QUARTERS)


def offer(image: Image, maps: Sequence[MeasuredMap], look: Look) -> None:
    """Show the files of the maps; each is made at the click."""
    name, sha256 = image.name, image.image.sha256
    files = {
        "png": ("All maps as PNG", partial(_images, image, maps, look), "maps.zip", "application/zip"),
        "csv": ("Values as CSV", partial(map_report.to_csv, name, maps), "maps.csv", "text/csv"),
        "json": ("As JSON", partial(map_report.to_json, name, sha256, maps), "maps.json", "application/json"),
    }
    with st.container(horizontal=True):
        for key, (label, content, file, kind) in files.items():
            download(label, content, f"imgrec_{file}", kind, key=f"maps_{key}")


def _images(image: Image, maps: Sequence[MeasuredMap], look: Look) -> bytes:
    """Return a zip with each map over the photo as a PNG."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for place, one in enumerate(maps):
            pixels = map_cards.drawn(one.found, map_cards.resized(image.image), look.scale(one, maps), look)
            archive.writestr(f"{place:02d}_{map_cards.file_name(one.found)}", encoding.to_png(pixels))
    return buffer.getvalue()
