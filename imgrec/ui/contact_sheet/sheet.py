"""The contact sheet of a session: progress, figures, tiles and files.

It is computed in a thread of its own, which a click or another page does not stop; a fragment follows it.
"""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from imgrec.errors import ImgrecError
from imgrec.evaluation import compact_loss, sheet_files, sheet_order
from imgrec.evaluation.contact_sheet import ContactSheet, Row
from imgrec.evaluation.sheet_order import Filter
from imgrec.formatting import duration
from imgrec.images import decoding, gallery
from imgrec.inference.request import Options
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.ensembles import RULES
from imgrec.settings import APP
from imgrec.ui import caches, image_input
from imgrec.ui.contact_sheet import drop_zone, filters, tiles
from imgrec.ui.contact_sheet.drop_zone import Sheet
from imgrec.ui.elements import download
from imgrec.ui.image_input import NOTE, Image
from imgrec.ui.markdown import plain
from imgrec.ui.models import download_progress
from imgrec.ui.settings_bar import Choice

# Often enough to follow, and seldom enough for a page of thumbnails over a slow line.
POLL_S = 1.5

# Files that could not be used, named one by one.
MAX_NAMED = 50

COMPARE = str(APP / "pages" / "compare.py")


def show(choice: Choice) -> None:
    """Show the sheet of this session, computed with the models of `choice`; an invitation where there is none."""
    sheet = drop_zone.current()
    if not choice.specs:
        download_progress.nothing_here()
        return
    ready = [spec for spec in choice.specs if caches.is_ready(spec)]
    download_progress.cards([spec for spec in choice.specs if spec not in ready], choice.swatches)
    if sheet is None:
        st.caption(
            "Every model looks at every image. The images that the models disagree about come first; a click opens one "
            "on Compare."
        )
        return
    options = _options(choice, ready)
    if sheet.run is None:
        if not ready:
            return
        sheet.run = _start(sheet, options)
    elif options != sheet.run.options and ready:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Computed with {_describe(sheet.run.options)}.")
            st.button(
                "Run again with the settings above",
                icon=":material/refresh:",
                key="sheet_again",
                on_click=_again,
                args=(sheet, options),
            )
    run = sheet.run
    order, chosen = filters.choose([spec.name for spec in run.options.specs], truth=run.truth is not None)
    st.fragment(_live, run_every=POLL_S if run.is_running else None)(run, order, chosen, choice.table, run.is_running)


def _live(run: ContactSheet, order: str, chosen: Filter, table: bool, was_running: bool) -> None:
    """Show what is there now; when the computation has ended, the page runs once more and no longer follows it."""
    if st.session_state.pop("sheet_opened", False):
        st.switch_page(COMPARE)
    if was_running and not run.is_running:
        st.rerun()
    rows = list(run.rows)
    _progress(run, len(rows))
    _figures(run, rows)
    _left_out(run, rows)
    answered = [row for row in sheet_order.arrange(rows, order, chosen) if row.answer is not None]
    if chosen != Filter():
        st.caption(f"{len(answered):,} of {len(rows):,} shown.")
    if answered:
        tiles.show(answered, table=table, key="sheet_tiles", on_pick=_open)
    elif rows and not run.is_running:
        if chosen == Filter():
            st.info("No image has an answer.")
        else:
            st.info(f"No image fits these filters: {plain(chosen.describe(caches.catalog().title_of))}.")
            st.button("Remove the filters", icon=":material/filter_alt_off:", on_click=filters.clear)
    _downloads(run, rows)


def _progress(run: ContactSheet, done: int) -> None:
    """Show how far a running sheet is, and a button that stops it; else why it ended early."""
    count = len(run.images)
    if run.is_running:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(done / count, f"{done:,} of {count:,} images{_rate(run, done)}")
            st.button("Stop", icon=":material/stop:", key="sheet_stop", on_click=run.cancel, type="tertiary")
    elif run.error:
        st.error(plain(run.error), icon=":material/error:")
    elif run.is_canceled:
        st.caption(f":material/stop: Stopped after {done:,} of {count:,} images.")


def _figures(run: ContactSheet, rows: Sequence[Row]) -> None:
    """Show the accuracy where true classes are known, and how the models agree."""
    if not rows:
        return
    total, summary = sheet_order.accuracy(rows), sheet_order.summary(rows)
    with st.container(horizontal=True, vertical_alignment="center", key="sheet_head"):
        st.subheader(total.sentence if total else summary, anchor=False, width="stretch")
        if not run.is_running:
            st.button("Clear", icon=":material/close:", key="sheet_clear", on_click=drop_zone.clear, type="tertiary")
    facts = [summary] if total else []
    if not run.is_running:
        facts.append(f"{duration(run.seconds)}{_rate(run, len(rows))}")
    lines = [" · ".join(facts)] if facts else []
    if total and len(run.options.specs) > 1:
        found = ((spec, sheet_order.accuracy(rows, spec.name)) for spec in run.options.specs)
        lines.append(" · ".join(f"{spec.title}: {one.short}" for spec, one in found if one))
    lines += compact_loss.on_sheet(rows, run.options.specs)
    if lines:
        st.caption("  \n".join(lines))


def _rate(run: ContactSheet, done: int) -> str:
    return f" · {done / run.seconds:.1f} images/s" if done and run.seconds > 0 else ""


def _left_out(run: ContactSheet, rows: Sequence[Row]) -> None:
    """Say what is not on the sheet: files beyond the limit, files that are no images, models that failed."""
    for sentence in run.remarks[:MAX_NAMED]:
        st.caption(f":material/info: {plain(sentence)}")
    for model, sentence in (rows[-1].failures if rows else {}).items():
        st.warning(f"**{caches.catalog().title_of(model)}**: {plain(sentence)}", icon=":material/error:")
    broken = [row for row in rows if row.answer is None]
    if broken:
        files = "1 file has" if len(broken) == 1 else f"{len(broken):,} files have"
        with st.expander(f"{files} no answer", icon=":material/broken_image:"):
            for row in broken[:MAX_NAMED]:
                st.markdown(f"- **{plain(row.image)}**: {plain(row.error or '')}")
            if len(broken) > MAX_NAMED:
                st.caption(f"{len(broken) - MAX_NAMED:,} more are in the files below.")


def _downloads(run: ContactSheet, rows: Sequence[Row]) -> None:
    if not rows:
        return
    models = [spec.name for spec in run.options.specs]
    with st.container(horizontal=True):
        for format, (write, kind) in sheet_files.FORMATS.items():
            title = {"csv": "Sheet as CSV", "json": "As JSON", "parquet": "As Parquet"}[format]
            content = partial(write, rows, models)
            download(title, content, f"contact_sheet.{format}", kind, key=f"sheet_{format}")


def _open(position: int) -> None:
    """Put an image of the sheet among those of Compare, and go there."""
    sheet = drop_zone.current()
    if sheet is None:
        return
    limit, file = caches.settings().max_upload_bytes, sheet.images.files[position]
    try:
        ((_, data),) = sheet.images.read(limit, only=position)
        if isinstance(data, str):
            st.session_state["sheet_problem"] = data
            return
        decoded = decoding.decode(data, max_bytes=limit, name=file.title)
    except ImgrecError as error:
        st.session_state["sheet_problem"] = str(error)
        return
    sample = next((each for each in gallery.get_samples() if each.path == file.source), None)
    shown = Image(file.title, decoded, sample)
    image_input.show(shown)
    row = next((row for row in sheet.run.rows if row.position == position), None) if sheet.run else None
    if row is not None and row.truth is not None:
        st.session_state[NOTE] = shown.id, sheet_order.note(row)
    st.session_state["sheet_opened"] = True


def _start(sheet: Sheet, options: Options) -> ContactSheet:
    run = ContactSheet(sheet.images, options, caches.pool(), caches.settings())
    run.start()
    return run


def _again(sheet: Sheet, options: Options) -> None:
    if sheet.run is not None:
        sheet.run.cancel()
    sheet.run = _start(sheet, options)


def _options(choice: Choice, ready: Sequence[ModelSpec]) -> Options:
    """Return what the rows depend on: not how many classes are listed, and no weights that do not count."""
    counts = RULES[choice.rule].takes_weights and any(choice.weights.get(spec.name, 1.0) for spec in ready)
    return Options(
        tuple(ready),
        rule=choice.rule,
        framing=choice.framing,
        weights=choice.weights if counts else {},
        level=choice.level,
        classes=choice.classes,
        temperatures=choice.temperatures,
    )


def _describe(options: Options) -> str:
    rule = f", {RULES[options.rule].title.lower()}" if len(options.specs) > 1 else ""
    return f"{', '.join(spec.title for spec in options.specs)}{rule}, {options.framing}"
