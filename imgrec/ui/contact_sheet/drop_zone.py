"""Where the images of a contact sheet come from: files, a folder, archives, or the sample images.

Uploads are stored on the disk at once and the uploader is emptied, so that hundreds of images take no memory. They are
deleted some minutes after the visit, or when other images take their place.
"""

from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from imgrec.data.image_paths import DEMO_MAX_IMAGES, MAX_IMAGES, ImageFile, ImageList, find_images
from imgrec.data.temporary_files import TemporaryFiles
from imgrec.errors import ImgrecError
from imgrec.evaluation.contact_sheet import ContactSheet
from imgrec.images import gallery
from imgrec.ui import caches, uploads
from imgrec.ui.contact_sheet import filters
from imgrec.ui.image_input import SHEET
from imgrec.ui.image_store import KEEP_S
from imgrec.ui.markdown import plain

# A browser sends each file in a request of its own, and may stop answering over hundreds: then all of them are lost.
MANY = 150

KEPT = (
    f"Images stay on this server for {KEEP_S // 60} minutes after you leave, or until you drop others. In folders with "
    "names of classes, or with a labels.csv (columns file and label), each answer is right or wrong."
)


@dataclass(slots=True, eq=False)
class Sheet:
    """The sheet of a session: its images, the uploads that it needs, and its computation once that was started."""

    images: ImageList
    files: TemporaryFiles | None = None
    run: ContactSheet | None = None

    @property
    def size_bytes(self) -> int:
        """The bytes of the thumbnails."""
        return sum(len(row.thumbnail) for row in self.run.rows) if self.run else 0


def current() -> Sheet | None:
    """Return the sheet of this session, if there is one."""
    found: Sheet | None = st.session_state.get(SHEET)
    return found


def panel() -> None:
    """Show the uploaders, and while there is no sheet the sample images as one."""
    most = _most()
    files, folder = uploads.key_of("sheet"), uploads.key_of("sheet_folder")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="sheet_inputs"):
        st.file_uploader(
            f"Drop up to {most} images{f'; beyond {MANY} better' if most > MANY else ','} a zip or a tar",
            accept_multiple_files=True,
            key=files,
            max_upload_size=uploads.archive_limit_mib(),
            help=KEPT,
            on_change=_take,
            args=(files, "sheet"),
        )
        with st.popover("Folder", icon=":material/folder_open:", type="tertiary"):
            st.file_uploader(
                "Choose a folder of images",
                accept_multiple_files="directory",
                key=folder,
                max_upload_size=uploads.image_limit_mib(),
                on_change=_take,
                args=(folder, "sheet_folder"),
            )
        if current() is None:
            st.button(
                f"Try the {len(gallery.get_samples())} sample images",
                icon=":material/photo_library:",
                key="sheet_samples",
                on_click=_take_samples,
            )
    if problem := st.session_state.get("sheet_problem"):
        st.error(plain(problem), icon=":material/broken_image:")


def clear() -> None:
    """Remove the sheet and its uploads."""
    _replace(None)


def _most() -> int:
    return DEMO_MAX_IMAGES if caches.settings().demo else MAX_IMAGES


def _take(key: str, uploader: str) -> None:
    # A rerun that started before the uploader was emptied may still have files that are already taken.
    arrived = [file for file in st.session_state.get(key) or [] if isinstance(file, UploadedFile)]
    if not arrived:
        return
    try:
        stored = TemporaryFiles(caches.settings())
        stored.add_all((file.name, file.getbuffer()) for file in arrived)
        _replace(Sheet(find_images(stored.paths, most=_most()), stored))
    except ImgrecError as error:
        kept = " The images from before are still shown." if current() is not None else ""
        st.session_state["sheet_problem"] = f"{error}{kept}"
    uploads.empty(uploader, arrived)


def _take_samples() -> None:
    samples = [ImageFile(sample.path, None, sample.title) for sample in gallery.get_samples()]
    _replace(Sheet(ImageList(tuple(samples), {})))


def _replace(sheet: Sheet | None) -> None:
    """Put `sheet` in the place of the one before, whose computation ends and whose uploads are deleted."""
    before = current()
    if before is not None and before.run is not None:
        before.run.cancel()
    if before is not None and before.files is not None:
        before.files.close()
    if before is not None:
        # They may hide all of the next images. Those of a link are for the first.
        filters.clear()
    st.session_state[SHEET] = sheet
    st.session_state["sheet_problem"] = None
