"""The dataset check before a training: in a thread of the server, once for all visitors.

Reading thousands of images takes a minute. A page that did it while it is drawn would show nothing until then, and
begin anew with every click.
"""

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future

import streamlit as st

from imgrec.data.quality import doctor
from imgrec.data.quality.report import Diagnosis
from imgrec.errors import ImgrecError
from imgrec.models.catalog import ModelSpec
from imgrec.settings import Settings
from imgrec.ui import caches
from imgrec.ui.markdown import plain
from imgrec.ui.train.findings import STAGES, diagnosis_view, state_of

log = logging.getLogger(__name__)

# How often a page looks for progress.
POLL_S = 0.5


class _StoppedError(Exception):
    """The examination is not wanted any more."""


class _FailedError(ImgrecError):
    """A bug in the examination."""


# Each takes a core and the memory of its images: one after another.
_turn = threading.Lock()


class Examination:
    """The check of one state of a dataset, in a thread; `progress` is (stage, done, all)."""

    def __init__(self, data: str, settings: Settings, size: tuple[int, int], backbone: str | None) -> None:
        self.progress = ("reading", 0, 0)
        self.diagnosis: Future[Diagnosis] = Future()
        self._stopping = threading.Event()
        # A daemon: a server that is stopped does not wait for it.
        threading.Thread(
            target=self._examine, args=(data, settings, size, backbone), name="examination", daemon=True
        ).start()

    def stop(self) -> None:
        """Let it end with its next image."""
        self._stopping.set()

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped before it came to an end."""
        is_over = self.diagnosis.done() and not isinstance(self.diagnosis.exception(), _StoppedError)
        return self._stopping.is_set() and not is_over

    def _examine(self, data: str, settings: Settings, size: tuple[int, int], backbone: str | None) -> None:
        def report(stage: str, done: int, count: int) -> None:
            if self._stopping.is_set():
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
        diagnosis_view(found)
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
    if _examination(*key).is_stopped:
        _examination.clear(*key)
    found = _examination(*key)
    before: Examination | None = st.session_state.get("examination")
    if before is not None and before is not found:
        before.stop()
    st.session_state["examination"] = found
    return found


@st.cache_resource(max_entries=16, show_spinner=False)
def _examination(data: str, state: tuple[object, ...], size: tuple[int, int], backbone: str | None) -> Examination:
    """Return the one check of this state of the dataset; `state` changes when a file comes or goes."""
    return Examination(data, caches.settings(), size, backbone)
