"""The dataset check before a training: in the background, once for all visitors.

Reading thousands of images takes a minute. A page that did it while it is drawn would stand still, and begin anew
with every click; a thread of the server does neither.
"""

import logging
import threading
from collections.abc import Mapping

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

# How often a page looks how far it is.
POLL_S = 0.5


class _StoppedError(Exception):
    """Nobody waits for this examination any more."""


# Each takes a core and the memory of its images: one after another.
_turn = threading.Lock()


class Examination:
    """One look at one state of one set; every attribute may be read while it goes on."""

    def __init__(self, data: str, settings: Settings, size: tuple[int, int], backbone: str | None) -> None:
        self.stage = "reading"
        self.done = 0
        self.count = 0
        self.diagnosis: Diagnosis | None = None
        self.sentence: str | None = None
        self._finished = threading.Event()
        self._stopping = threading.Event()
        threading.Thread(
            target=self._examine, args=(data, settings, size, backbone), name="examination", daemon=True
        ).start()

    @property
    def over(self) -> bool:
        return self._finished.is_set()

    @property
    def is_given_up(self) -> bool:
        """Whether it was stopped before it came to an end."""
        return self._stopping.is_set() and self.diagnosis is None and self.sentence is None

    def stop(self) -> None:
        """Let it end with its next image; one that is over stays as it is."""
        self._stopping.set()

    def wait(self, timeout_s: float) -> bool:
        """Whether it is over, at the latest after `timeout_s`."""
        return self._finished.wait(timeout_s)

    def _examine(self, data: str, settings: Settings, size: tuple[int, int], backbone: str | None) -> None:
        try:
            with _turn:
                self._check()
                self.diagnosis = doctor.examine(
                    data, settings, input_size=size, backbone=backbone, on_progress=self._tell
                )
        except _StoppedError:
            pass
        except ImgrecError as error:
            self.sentence = str(error)
        except Exception:
            log.exception("The examination of %s ended unexpectedly", data)
            self.sentence = "The check failed unexpectedly. See the server log."
        finally:
            self._finished.set()

    def _tell(self, stage: str, done: int, count: int) -> None:
        self._check()
        self.stage, self.done, self.count = stage, done, count

    def _check(self) -> None:
        if self._stopping.is_set():
            raise _StoppedError


def examined(data: str, size: tuple[int, int], judge: ModelSpec | None = None) -> bool:
    """Show the check of `data`, or its progress; return whether training may start.

    `size` (height, width) in px is the input of the network that will learn from them. `judge` is the one whose
    features would judge the labels, when somebody asks for that and it is on this machine.
    """
    if judge is not None and not caches.is_here(judge):
        judge = None
    asked = judge is not None and st.session_state.get("judge_labels") == data
    found = _begin(data, size, judge.name if judge is not None and asked else None)
    # Most sets of a few dozen images are done before anybody could read that they are being looked at.
    if not found.wait(POLL_S):
        st.fragment(_watch, run_every=POLL_S)(found)
        return False
    if found.sentence is not None:
        st.error(plain(found.sentence), icon=":material/folder_off:")
    if found.diagnosis is None:
        return False
    with st.container(border=True, gap="xsmall", key="doctor_panel"):
        diagnosis_view(found.diagnosis)
        if judge is not None and not asked and found.diagnosis.may_train:
            st.button(
                "Also check for label errors",
                icon=":material/troubleshoot:",
                type="tertiary",
                key="judge",
                on_click=_judge,
                args=(data,),
                help=f"Uses features of {judge.title}, which training needs anyway.",
            )
    return found.diagnosis.may_train


def counted() -> Mapping[str, tuple[int, int]]:
    """Class → (images to train on, images to test on) as this visitor's last examination found; empty before."""
    found: Examination | None = st.session_state.get("examination")
    return found.diagnosis.counts if found is not None and found.diagnosis is not None else {}


def _watch(found: Examination) -> None:
    if found.over:
        st.rerun()
    share = found.done / found.count if found.count else 0.0
    st.progress(
        share, f"{STAGES[found.stage]}: {found.done:,} of {found.count:,}" if found.count else STAGES["reading"]
    )


def _judge(data: str) -> None:
    st.session_state["judge_labels"] = data


def _begin(data: str, size: tuple[int, int], judge: str | None) -> Examination:
    """The examination of `data` as it is now; what this visitor waited for before is given up."""
    key = (data, state_of(data), size, judge)
    found = _examination(*key)
    if found.is_given_up:
        _examination.clear(*key)
        found = _examination(*key)
    before: Examination | None = st.session_state.get("examination")
    if before is not None and before is not found:
        before.stop()
    st.session_state["examination"] = found
    return found


@st.cache_resource(max_entries=16, show_spinner=False)
def _examination(data: str, state: tuple[object, ...], size: tuple[int, int], judge: str | None) -> Examination:
    """The one examination of this state of the set; `state` changes when a file comes or goes."""
    return Examination(data, caches.settings(), size, judge)
