"""Uploaders as chutes: what falls through is stored at once, and the uploader is emptied for the next drop.

Each has its own round: emptying one leaves the others as they are, where somebody may be dropping images meanwhile.
"""

from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile


def key_of(name: str) -> str:
    """The key of the uploader of the chute `name`; another one each time that this chute was emptied."""
    rounds: dict[str, int] = st.session_state.setdefault("chutes", {})
    return f"chute_{rounds.get(name, 0)}_{name}"


def empty(name: str, files: Sequence[UploadedFile]) -> None:
    """A new, empty uploader with the next run. The raw bytes would stay until the visit ends: they go now."""
    rounds: dict[str, int] = st.session_state["chutes"]
    rounds[name] = rounds.get(name, 0) + 1
    context = get_script_run_ctx()
    if context is None or not isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        return
    for file in files:
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
