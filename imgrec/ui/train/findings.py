"""The dataset check on a page: its result, each finding with its images, and the checks that passed."""

import os
from collections.abc import Iterator
from pathlib import Path

import streamlit as st

from imgrec.data import archives
from imgrec.data.quality import doctor
from imgrec.data.quality.report import SEVERITIES, Case, Diagnosis, Finding, Severity
from imgrec.data.sources import DATASETS
from imgrec.errors import ImgrecError
from imgrec.images import decoding
from imgrec.ui import caches
from imgrec.ui.markdown import plain

# An icon and a word each: color alone says nothing to many people.
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
    """The result, the findings worst first with their images, and the checks that passed."""
    icon = ":material/check_circle:"
    if found.findings:
        worst = found.findings[0].severity
        icon = WORDS[worst][0] if worst != "note" else icon
    st.markdown(
        f"{icon} **{plain(found.verdict)}**",
        help=SEVERITIES[found.findings[0].severity] if found.findings else None,
    )
    for number, finding in enumerate(found.findings):
        _finding(found, finding, f"{key}_{number}_{finding.kind}")
    count = len(found.passed)
    label = f"{count} check{'s' * (count != 1)} passed"
    with st.expander(label, icon=":material/check:", key=f"{key}_fine"):
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in found.passed))
    for sentence in found.not_made:
        st.caption(f":material/info: {plain(sentence)}")


def _finding(found: Diagnosis, finding: Finding, key: str) -> None:
    icon, word = WORDS[finding.severity]
    st.markdown(f"{icon} **{word}:** {plain(finding.sentence)}")
    if not finding.cases:
        return
    more = f", the first {len(finding.cases)}" if finding.count > len(finding.cases) else ""
    # Its content is made when somebody opens it: images have to be read for it.
    box = st.expander(f"Show {finding.count:,}{more}", icon=":material/photo_library:", key=key, on_change="rerun")
    if box.open:
        with box:
            _cases(found, finding)


def _cases(found: Diagnosis, finding: Finding) -> None:
    shown = [case for case in finding.cases if case.files][:MAX_SHOWN]
    files = tuple(dict.fromkeys(file for case in shown for file in case.files))
    # What cannot be read has no image.
    images = _thumbnails(found.source, state_of(found.source), files) if finding.kind != "unreadable" else {}
    if images:
        with st.container(horizontal=True):
            for case in shown:
                _case(case, images)
    rows = [{"File": " = ".join(case.files), "Remark": case.remark} for case in finding.cases]
    st.dataframe(rows, hide_index=True, alt=finding.sentence)


def _case(case: Case, images: dict[str, bytes]) -> None:
    with st.container(border=True, width="content"):
        with st.container(horizontal=True):
            for file in case.files:
                if file in images:
                    st.image(images[file], width=THUMBNAIL_PX, alt=file)
        if case.remark:
            st.caption(plain(case.remark))


@st.cache_data(max_entries=50, show_spinner="Reading the images")
def _thumbnails(source: str, state: object, files: tuple[str, ...]) -> dict[str, bytes]:
    try:
        found = doctor.look_up(source, files, caches.settings())
    except ImgrecError:
        return {}  # the set has gone since; its findings still stand in the table
    return {file: decoding.thumbnail(image, 2 * THUMBNAIL_PX) for file, image in found.items()}


def state_of(data: str) -> tuple[object, ...]:
    """What changes when files come or go: the times of the folders, or time and size of the file.

    Of a folder with more files than a set may have (somebody is typing a path, and came by `/`) only the first count:
    a page waits for this.
    """
    path = Path(data).expanduser()
    try:
        if data in DATASETS:
            return ()
        if path.is_dir():
            return tuple((str(folder), folder.stat().st_mtime_ns) for folder in _folders(path))
        return (path.stat().st_mtime_ns, path.stat().st_size)
    except OSError:
        return ()


def _folders(path: Path) -> Iterator[Path]:
    """`path` and the folders in it, as `archives` walks them: without hidden ones, and up to its limit of files."""
    count = 0
    for root, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield Path(root)
        count += len(folders) + len(names)
        if count > archives.MAX_FILES:
            return
