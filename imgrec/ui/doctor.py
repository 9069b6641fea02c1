"""What the data-set doctor says, on a page: the verdict, each finding with its pictures, and what is fine."""

import os
from collections import OrderedDict
from pathlib import Path

import streamlit as st

from imgrec import doctor, images
from imgrec.datasets import DATASETS
from imgrec.errors import ImgrecError
from imgrec.findings import SEVERITIES, Case, Diagnosis, Finding, Severity
from imgrec.ui import resources
from imgrec.ui.wording import plain

# An icon and a word each: colour alone says nothing to many people.
WORDS: dict[Severity, tuple[str, str]] = {
    "stop": (":material/block:", "Stop"),
    "warn": (":material/warning:", "Warning"),
    "note": (":material/info:", "Note"),
}

# Cases whose pictures are shown; the table below them names more.
MAX_SHOWN = 12
THUMBNAIL_PX = 112

# A diagnosis takes some kB, and was seconds to minutes of work.
MAX_KEPT = 16

STAGES = {"reading": "Examining the pictures", "features": "Looking for wrong labels"}


def diagnosis(
    data: str, *, input_size: tuple[int, int] = doctor.DEFAULT_INPUT_PX, backbone: str | None = None
) -> Diagnosis | None:
    """What the doctor says of `data` (as in `datasets.load`), examined once while its files stay as they are.

    Shows how far it is, and a sentence and None when there is no set. `backbone` judges the labels; see
    `doctor.examine`.
    """
    key = (data, state_of(data), input_size, backbone)
    kept = _kept()
    if key not in kept:
        place = st.empty()

        def show(stage: str, done: int, count: int) -> None:
            # Each update is a message to the browser.
            if done % max(1, count // 50) == 0 or done == count:
                place.progress(done / count, f"{STAGES[stage]}: {done:,} of {count:,}")

        try:
            kept[key] = doctor.examine(
                data, resources.settings(), input_size=input_size, backbone=backbone, on_progress=show
            )
        except ImgrecError as error:
            st.error(plain(str(error)), icon=":material/folder_off:")
            return None
        finally:
            place.empty()
        while len(kept) > MAX_KEPT:
            kept.popitem(last=False)
    return kept[key]


def diagnosis_view(found: Diagnosis, key: str = "doctor") -> None:
    """The verdict in one sentence, the findings worst first with their pictures, and what was looked at and is fine."""
    icon = ":material/check_circle:"
    if found.findings:
        worst = found.findings[0].severity
        icon = WORDS[worst][0] if worst != "note" else icon
    st.markdown(f"{icon} **{plain(found.verdict)}**")
    for number, finding in enumerate(found.findings):
        _finding(found, finding, f"{key}_{number}_{finding.kind}")
    with st.expander(f"What is fine ({len(found.passed)})", icon=":material/check:", key=f"{key}_fine"):
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in found.passed))
    for sentence in found.not_made:
        st.caption(f":material/help: {plain(sentence)}")


def _finding(found: Diagnosis, finding: Finding, key: str) -> None:
    icon, word = WORDS[finding.severity]
    st.markdown(f"{icon} **{word}:** {plain(finding.sentence)}", help=SEVERITIES[finding.severity])
    if not finding.cases:
        return
    more = f", the first {len(finding.cases)}" if finding.count > len(finding.cases) else ""
    # Its content is made when somebody opens it: pictures have to be read for it.
    box = st.expander(f"Show {finding.count:,}{more}", icon=":material/photo_library:", key=key, on_change="rerun")
    if box.open:
        with box:
            _cases(found, finding)


def _cases(found: Diagnosis, finding: Finding) -> None:
    shown = [case for case in finding.cases if case.files][:MAX_SHOWN]
    files = tuple(dict.fromkeys(file for case in shown for file in case.files))
    # What cannot be read has no picture.
    pictures = _thumbnails(found.source, state_of(found.source), files) if finding.kind != "unreadable" else {}
    if pictures:
        with st.container(horizontal=True):
            for case in shown:
                _case(case, pictures)
    rows = [{"File": " = ".join(case.files), "Remark": case.remark} for case in finding.cases]
    st.dataframe(rows, hide_index=True, alt=finding.sentence)


def _case(case: Case, pictures: dict[str, bytes]) -> None:
    with st.container(border=True, width="content"):
        with st.container(horizontal=True):
            for file in case.files:
                if file in pictures:
                    st.image(pictures[file], width=THUMBNAIL_PX, alt=file)
        if case.remark:
            st.caption(plain(case.remark))


@st.cache_resource(show_spinner=False)
def _kept() -> OrderedDict[tuple[object, ...], Diagnosis]:
    """Not `cache_data`: what is shown while it is examined could not be shown from within."""
    return OrderedDict()


@st.cache_data(max_entries=50, show_spinner="Reading the pictures")
def _thumbnails(source: str, state: object, files: tuple[str, ...]) -> dict[str, bytes]:
    try:
        found = doctor.look_up(source, files, resources.settings())
    except ImgrecError:
        return {}  # the set has gone since; its findings still stand in the table
    return {file: images.thumbnail(image, 2 * THUMBNAIL_PX) for file, image in found.items()}


def state_of(data: str) -> tuple[object, ...]:
    """What changes when files come or go: the times of the folders, or time and size of the file."""
    path = Path(data).expanduser()
    try:
        if data in DATASETS:
            return ()
        if path.is_dir():
            folders = (Path(root) for root, _, _ in os.walk(path))
            return tuple((str(folder), folder.stat().st_mtime_ns) for folder in folders)
        return (path.stat().st_mtime_ns, path.stat().st_size)
    except OSError:
        return ()
