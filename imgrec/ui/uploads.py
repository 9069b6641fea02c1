"""An uploader that is emptied once its files are taken: a file can be dropped again, and its bytes are freed.

Each uploader has a name and a round; emptying one leaves the others as they are.
"""

from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from imgrec.settings import MIB
from imgrec.ui import caches


def key_of(name: str) -> str:
    """Return the widget key of the uploader `name`; another one each time that it was emptied."""
    rounds: dict[str, int] = st.session_state.setdefault("upload_rounds", {})
    return f"upload_{rounds.get(name, 0)}_{name}"


def image_limit_mib() -> int:
    """Return the largest size of an image in whole MiB, as uploaders take it."""
    return max(1, caches.settings().max_upload_bytes // MIB)


def archive_limit_mib() -> int:
    """Return the largest size of an archive in whole MiB: what the server accepts at all."""
    return int(st.get_option("server.maxUploadSize"))


def empty(name: str, files: Sequence[UploadedFile]) -> None:
    """Show a new, empty uploader with the next run. The raw bytes would stay until the visit ends: free them now."""
    rounds: dict[str, int] = st.session_state["upload_rounds"]
    rounds[name] = rounds.get(name, 0) + 1
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        for file in files:
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
