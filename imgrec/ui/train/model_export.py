"""Export a trained model, or its compact twin: choose, watch the progress, download the file, see what is lost."""

from collections.abc import Sequence

import streamlit as st

from imgrec.errors import ImgrecError
from imgrec.evaluation import twin_facts
from imgrec.export.bundle import EXTRAS, Export, read_facts
from imgrec.export.scripts import FORMATS
from imgrec.formatting import size
from imgrec.inference.precision import COMPACT, EXACT
from imgrec.models.cards import Card
from imgrec.models.catalog import ModelSpec
from imgrec.settings import PRECISIONS
from imgrec.ui import caches
from imgrec.ui.elements import download, errors_shown
from imgrec.ui.markdown import plain
from imgrec.ui.widget_keys import key_of

# How often the progress bar is updated.
POLL_S = 0.5

DEFAULT_FORMATS = ["openvino"]


def export_panel(card: Card) -> None:
    """Choose formats, prepare the zip in the background and download it; below it, the same as a command."""
    spec = caches.catalog().get(card.name)
    if spec is None:
        return
    with st.expander("Export", icon=":material/output:", key=key_of("export", card.name)):
        st.caption("A zip with the network, its labels and a script that predicts without imgrec.")
        if _is_compact(card):
            spec, formats = spec.compact(), DEFAULT_FORMATS
            st.caption("In 8-bit integers, in OpenVINO's format; measured on the images held back from its training.")
            command = f"imgrec export {card.name} --precision int8 --out {spec.name}"
        else:
            formats = _formats(card)
            command = f"imgrec export {spec.name} --format {','.join(formats)} --out {spec.name}"
        if not formats:
            st.caption("Choose at least one format.")
            return
        with errors_shown():  # such as weights that have changed since
            _state(spec, formats)
        st.caption("On the command line:")
        st.code(command, language="sh")


def _is_compact(card: Card) -> bool:
    """Show the choice of the precision; not in a demo, whose host has no memory to make a twin."""
    if caches.settings().demo:
        return False
    words = "Exact: in float32, as it was trained. Compact: in 8-bit integers; a quarter of the bytes."
    key = key_of("precision", card.name)
    chosen = st.segmented_control(
        "Precision", PRECISIONS, default=EXACT, key=key, required=True, format_func=str.capitalize, help=words
    )
    return chosen == COMPACT


def _formats(card: Card) -> list[str]:
    # The converters of the others need a gigabyte of memory.
    offered = [name for name in FORMATS if not (caches.settings().demo and name in EXTRAS)]
    chosen = st.multiselect(
        "Formats",
        offered,
        DEFAULT_FORMATS,
        format_func=lambda name: FORMATS[name].title,
        key=key_of("formats", card.name),
        help="  \n".join(f"**{FORMATS[name].title}**: {FORMATS[name].about}." for name in offered),
    )
    return [name for name in FORMATS if name in chosen]


def _state(spec: ModelSpec, formats: Sequence[str]) -> None:
    """Show the button that prepares the zip, the progress, or the button that downloads it."""
    running = caches.exporting().get(spec, formats)
    if running is not None and not running.over:
        st.fragment(_watch, run_every=POLL_S)(running)
        return
    ready = caches.exporting().find(spec, formats)
    if ready is not None:
        file = f"{spec.name}.zip"
        label = f"Download {file} ({size(ready.stat().st_size)})"
        download(label, ready.read_bytes, file, "application/zip", key=key_of("take", spec.name), type="primary")
        for sentence in twin_facts.sentences(read_facts(ready)):
            st.markdown(plain(sentence))
        return
    if running is not None and running.error is not None:
        is_known = isinstance(running.error, ImgrecError)
        words = plain(str(running.error)) if is_known else "Unexpected error; see the server's log."
        st.error(words, icon=":material/error:")
    label, icon = ("Prepare download", "package_2") if running is None else ("Try again", "refresh")
    if st.button(label, key=key_of("prepare", spec.name), icon=f":material/{icon}:"):
        with errors_shown():  # such as a package that is not installed
            caches.exporting().start(spec, formats)
            st.rerun()


def _watch(running: Export) -> None:
    if running.over:
        st.rerun()
    st.progress(running.share, f"Preparing: {running.words}")
