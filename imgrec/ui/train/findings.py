"""The dataset check on a page: its result, each finding with its images, and the checks that passed."""

import os
from pathlib import Path

import streamlit as st

from imgrec.data import archives
from imgrec.data.quality import doctor
from imgrec.data.quality.report import SEVERITIES, Diagnosis, Finding, Severity
from imgrec.data.sources import DATASETS
from imgrec.errors import ImgrecError
from imgrec.images import decoding
from imgrec.ui import caches
from imgrec.ui.markdown import plain

# An icon and a word each: color alone is not seen by everyone.
WORDS: dict[Severity, tuple[str, str]] = {
    "stop": (":material/block:", "Error"),
    "warn": (":material/warning:", "Warning"),
    "note": (":material/info:", "Note"),
}

# Cases whose images are shown; the table below them names more.
MAX_SHOWN = 12
THUMBNAIL_PX = 112

STAGES = {"reading": "Checking the images", "features": "Checking for label errors"}


def diagnosis_view(found: Diagnosis, key: str = "doctor") -> None:
    """Show the result, the findings worst first with their images, and the checks that passed."""
    worst = found.findings[0].severity if found.findings else None
    icon = ":material/check_circle:" if worst in (None, "note") else WORDS[worst][0]
    st.markdown(f"{icon} **{plain(found.verdict)}**", help=SEVERITIES[worst] if worst else None)
    for number, finding in enumerate(found.findings):
        _finding(found, finding, f"{key}_{number}_{finding.kind}")
    count = len(found.passed)
    with st.expander(f"{count} check{'s' * (count != 1)} passed", icon=":material/check:", key=f"{key}_fine"):
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in found.passed))
    for sentence in found.not_made:
        st.caption(f":material/info: {plain(sentence)}")


def _finding(found: Diagnosis, finding: Finding, key: str) -> None:
    icon, word = WORDS[finding.severity]
    st.markdown(f"{icon} **{word}:** {plain(finding.sentence)}")
    if not finding.cases:
        return
    more = f", the first {len(finding.cases)}" if finding.count > len(finding.cases) else ""
    # Images are read when it is opened.
    box = st.expander(f"Show {finding.count:,}{more}", icon=":material/photo_library:", key=key, on_change="rerun")
    if box.open:
        with box:
            _cases(found, finding)


def _cases(found: Diagnosis, finding: Finding) -> None:
    shown = [case for case in finding.cases if case.files][:MAX_SHOWN]
    files = tuple(dict.fromkeys(file for case in shown for file in case.files))
    images = _thumbnails(found.source, state_of(found.source), files) if finding.kind != "unreadable" else {}
    if images:
        with st.container(horizontal=True):
            for case in shown:
                with st.container(border=True, width="content"):
                    with st.container(horizontal=True):
                        for file in case.files:
                            if file in images:
                                st.image(images[file], width=THUMBNAIL_PX, alt=file)
                    if case.remark:
                        st.caption(plain(case.remark))
    rows = [{"File": " = ".join(case.files), "Remark": case.remark} for case in finding.cases]
    st.dataframe(rows, hide_index=True, alt=finding.sentence)


@st.cache_data(max_entries=50, show_spinner="Reading the images")
def _thumbnails(source: str, state: object, files: tuple[str, ...]) -> dict[str, bytes]:
    try:
        found = doctor.look_up(source, files, caches.settings())
    except ImgrecError:
        return {}  # the dataset was deleted since; its findings are still in the table
    return {file: decoding.thumbnail(image, 2 * THUMBNAIL_PX) for file, image in found.items()}


def state_of(data: str) -> tuple[object, ...]:
    """Return what changes when files come or go: the times of the folders, or time and size of the file.

    Of a folder with more files than a dataset may have (a path that is being typed passes `/`) only the first count:
    a page waits for this.
    """
    path = Path(data).expanduser()
    if data in DATASETS:
        return ()
    try:
        if not path.is_dir():
            return (path.stat().st_mtime_ns, path.stat().st_size)
        state, count = [], 0
        for root, folders, names in os.walk(path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            state.append((root, os.stat(root).st_mtime_ns))
            count += len(folders) + len(names)
            if count > archives.MAX_FILES:
                break
        return tuple(state)
    except OSError:
        return ()
