"""The dataset check before a training: in a thread of the server, once for all visitors.

Reading thousands of images takes a minute. A page that did it while it is drawn would show nothing until then, and
begin anew with every click.
"""

import logging
import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

import streamlit as st

from imgrec.data import archives
from imgrec.data.quality import doctor
from imgrec.data.quality.report import SEVERITIES, Diagnosis, Finding, Severity
from imgrec.data.sources import DATASETS
from imgrec.errors import ImgrecError
from imgrec.images import decoding
from imgrec.models.catalog import ModelSpec
from imgrec.settings import Settings
from imgrec.ui import caches
from imgrec.ui.markdown import plain

log = logging.getLogger(__name__)

# How often a page looks for progress.
POLL_S = 0.5

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


class _StoppedError(Exception):
    """The examination is not wanted any more."""


class _FailedError(ImgrecError):
    """A bug in the examination."""


# Each takes a core and the memory of its images: one after another.
_turn = threading.Lock()


class Examination:
    """The check of one state of a dataset, in a thread, which `stopped` ends; `progress` is (stage, done, all)."""

    def __init__(self, data: str, settings: Settings, size: tuple[int, int], backbone: str | None) -> None:
        self.progress = ("reading", 0, 0)
        self.diagnosis: Future[Diagnosis] = Future()
        self.stopped = threading.Event()
        # A daemon: a server that is stopped does not wait for it.
        threading.Thread(target=self._examine, args=(data, settings, size, backbone), daemon=True).start()

    def _examine(self, data: str, settings: Settings, size: tuple[int, int], backbone: str | None) -> None:
        def report(stage: str, done: int, count: int) -> None:
            if self.stopped.is_set():
                raise _StoppedError
            self.progress = (stage, done, count)

        try:
            with _turn:
                report(*self.progress)
                found = doctor.examine(data, settings, input_size=size, backbone=backbone, on_progress=report)
            self.diagnosis.set_result(found)
        except (ImgrecError, _StoppedError) as error:
            self.diagnosis.set_exception(error)
        except Exception:
            log.exception("The examination of %s ended unexpectedly", data)
            self.diagnosis.set_exception(_FailedError("The check failed unexpectedly. See the server log."))


def examined(data: str, size: tuple[int, int], backbone: ModelSpec | None = None) -> bool:
    """Show the check of `data`, or its progress; return whether training may start.

    `size` (height, width) in px is the input of the network to be trained. The features of `backbone` are used to look
    for label errors, once the button for that was clicked and if the network is on this machine.
    """
    backbone = backbone if backbone is not None and caches.is_here(backbone) else None
    is_used = backbone is not None and st.session_state.get("judge_labels") == data
    current = _current(data, size, backbone.name if backbone is not None and is_used else None)
    try:
        # Most datasets of a few dozen images are done before a progress bar could be read.
        found = current.diagnosis.result(POLL_S)
    except (TimeoutError, _StoppedError):
        st.fragment(_watch, run_every=POLL_S)(current)
        return False
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/folder_off:")
        return False
    with st.container(border=True, gap="xsmall", key="doctor_panel"):
        _diagnosis(found)
        if backbone is not None and not is_used and found.may_train:
            st.button(
                "Also check for label errors",
                icon=":material/troubleshoot:",
                type="tertiary",
                key="judge",
                on_click=st.session_state.__setitem__,
                args=("judge_labels", data),
                help=f"Uses features of {backbone.title}, which training needs anyway.",
            )
    return found.may_train


def counted() -> Mapping[str, tuple[int, int]]:
    """Return class → (images to train on, images to test on) of this visitor's last check; empty before."""
    last: Examination | None = st.session_state.get("examination")
    is_found = last is not None and last.diagnosis.done() and last.diagnosis.exception() is None
    return last.diagnosis.result().counts if last is not None and is_found else {}


def _watch(current: Examination) -> None:
    if current.diagnosis.done():
        st.rerun()
    stage, done, count = current.progress
    words = f"{STAGES[stage]}: {done:,} of {count:,}" if count else STAGES["reading"]
    st.progress(done / count if count else 0.0, words)


def _current(data: str, size: tuple[int, int], backbone: str | None) -> Examination:
    """Return the check of `data` as it is now; the one that this visitor waited for before is stopped."""
    key = (data, state_of(data), size, backbone)
    if _examination(*key).stopped.is_set():
        _examination.clear(*key)
    found = _examination(*key)
    before: Examination | None = st.session_state.get("examination")
    if before is not None and before is not found and not before.diagnosis.done():
        before.stopped.set()
    st.session_state["examination"] = found
    return found


@st.cache_resource(max_entries=16, show_spinner=False)
def _examination(data: str, state: tuple[object, ...], size: tuple[int, int], backbone: str | None) -> Examination:
    """Return the one check of this state of the dataset; `state` changes when a file comes or goes."""
    return Examination(data, caches.settings(), size, backbone)


def _diagnosis(found: Diagnosis) -> None:
    """Show the result, the findings worst first with their images, and the checks that passed."""
    worst = found.findings[0].severity if found.findings else None
    icon = ":material/check_circle:" if worst in (None, "note") else WORDS[worst][0]
    st.markdown(f"{icon} **{plain(found.verdict)}**", help=SEVERITIES[worst] if worst else None)
    for number, finding in enumerate(found.findings):
        _finding(found, finding, f"doctor_{number}_{finding.kind}")
    count = len(found.passed)
    with st.expander(f"{count} check{'s' * (count != 1)} passed", icon=":material/check:", key="doctor_fine"):
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
