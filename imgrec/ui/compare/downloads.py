"""The results of a page as files: CSV, JSON, and an HTML report; each is made at the click."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from imgrec.explanation.map_images import report_maps
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.ensembles import Ensemble
from imgrec.reports import html_report, reproduce
from imgrec.reports.html_report import Entry, Origin
from imgrec.reports.result import Result, to_csv, to_json
from imgrec.ui import caches, results
from imgrec.ui.elements import download
from imgrec.ui.image_input import Image, tray
from imgrec.ui.settings_bar import Choice

# A report is made while its reader waits: so many maps take some seconds.
MAX_MAPS = 36
TOO_MANY_MAPS = f"Left out: a report has at most {MAX_MAPS}. One of fewer images or models has them."

FORMATS = {
    "csv": ("{} as CSV", "text/csv"),
    "json": ("As JSON", "application/json"),
    "html": ("As a report (HTML)", "text/html"),
}


def buttons(image: Image, specs: tuple[ModelSpec, ...], choice: Choice) -> None:
    """Offer the results of all images of the session, or of the sample `image`, as files."""
    # Read here: the file is made outside the session, where there are no uploaded images.
    images = tuple(tray()) or (image,)
    what = "Results" if len(images) == 1 else f"Results of {len(images)} images"
    with st.container(horizontal=True):
        for format, (label, kind) in FORMATS.items():
            content = partial(_content, format, images, replace(choice, specs=specs))
            download(label.format(what), content, f"imgrec.{format}", kind, key=format)


def _content(format: str, images: Sequence[Image], choice: Choice) -> str:
    found = [results.classify(image, choice).finish() for image in images]
    if format == "html":
        return report(images, found, choice)
    return (to_csv if format == "csv" else to_json)(found, choice.k)


def report(images: Sequence[Image], found: Sequence[Result], choice: Choice) -> str:
    """Return the HTML report of the results `found`, one for each of `images`."""
    has_maps = len(images) * len(choice.specs) <= MAX_MAPS
    return html_report.to_html(
        [_entry(image, result, choice, has_maps) for image, result in zip(images, found, strict=True)],
        choice.k,
        specs=choice.specs,
        framing=choice.framing,
        origin=Origin.of(choice.specs, caches.settings()),
        colors={name: swatch.color for name, swatch in choice.swatches.items()},
    )


def _entry(image: Image, result: Result, choice: Choice, has_maps: bool) -> Entry:
    groups = (ensemble for _, ensemble in results.by_label_space(result, choice).values())
    return Entry(
        result,
        image.image,
        reproduce.command(image.source, choice.to_arguments()),
        image.sample.alt if image.sample else "",
        tuple(ensemble for ensemble in groups if isinstance(ensemble, Ensemble)),
        *(report_maps(image.image, choice, caches.pool()) if has_maps else ((), TOO_MANY_MAPS)),
    )
