"""The pictures of a visit: drop, choose, photograph, paste or take a sample; they stay over page switches.

Streamlit's uploader is only the chute. What falls through is decoded at once and kept in the session, and the chute
is emptied: the raw bytes are freed, dropping again always works, and a page switch loses nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from imgrec import images, samples
from imgrec.errors import ImgrecError
from imgrec.images import DecodedImage
from imgrec.samples import Sample
from imgrec.settings import MIB
from imgrec.ui import resources
from imgrec.ui.elements import Tile, intake, strip

# A decoded picture takes about 1.5 MB of the session; two dozen is an evening's holiday photos, not an archive.
MAX_PICTURES = 24

# More thumbnails than this are a wall; the rest is counted.
MAX_TILES = 12

PREVIEW_SIDE_PX = 640

# Shown until the first image comes: several labels fit it, and networks agree on one.
EXAMPLE = "espresso.jpg"


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture, the name that it came with, and the sample that it is, if it is one."""

    name: str
    image: DecodedImage
    sample: Sample | None = None

    @property
    def id(self) -> str:
        return self.image.sha256


def tray() -> list[Picture]:
    """The good pictures of this session, oldest first."""
    pictures: list[Picture] = st.session_state.setdefault("tray", [])
    return pictures


def current() -> Picture | None:
    """The picture that is looked at, or None."""
    selected = st.session_state.get("tray_selected")
    return next((picture for picture in tray() if picture.id == selected), tray()[-1] if tray() else None)


def panel() -> Picture:
    """Everything for getting images in, and the one that is looked at; returns it, or a sample while there is none."""
    _chute()
    _problems()
    picture = current() or example()
    _preview(picture)
    if tray():
        _film()
    else:
        sample_gallery()
        st.caption("Images stay in this server's memory, for this visit only.")
    # Last, because it shows nothing and would leave a gap.
    intake("drop_zone", resources.settings().max_upload_bytes, key="intake", on_too_large=_refuse_too_large)
    return picture


def example() -> Picture:
    """The sample that stands on a page without images."""
    sample = samples.get_sample(EXAMPLE)
    return Picture(sample.title, resources.sample_image(sample.file), sample)


def sample_gallery(side_px: int = 56) -> None:
    """The sample pictures, each a button."""
    tiles = [
        Tile(sample.file, f"{sample.title}: {sample.alt}", resources.sample_thumbnail(sample.file))
        for sample in samples.get_samples()
    ]
    strip("Sample pictures", tiles, key="samples", on_pick=take_sample, side_px=side_px)


def take_sample(file: str) -> None:
    """Put the sample whose file is called `file` into the tray and look at it."""
    sample = samples.get_sample(file)
    _take([(sample.title, samples.read(sample))], sample)


def _chute() -> None:
    limit = resources.settings().max_upload_bytes
    key = f"upload_{st.session_state.setdefault('upload_round', 0)}"
    with st.container(key="drop_zone"):
        # No `type=`: a JPEG called .dat is a picture all the same; the decoder looks at the bytes.
        st.file_uploader(
            "Drop pictures here, or paste them with Ctrl+V",
            accept_multiple_files=True,
            key=key,
            max_upload_size=max(1, limit // MIB),
            on_change=_take_uploads,
            args=(key,),
        )
    with st.container(horizontal=True):
        camera = st.popover(
            "Take a photo", icon=":material/photo_camera:", key="camera_open", on_change="rerun", type="tertiary"
        )
        if tray():
            with st.popover("Samples", icon=":material/photo_library:", type="tertiary"):
                sample_gallery(side_px=72)
    if camera.open:
        # The camera is asked for only when somebody wants it.
        shot = f"camera_{st.session_state['upload_round']}"
        camera.camera_input("Photo", key=shot, on_change=_take_photo, args=(shot,), resolution="720p")


def _take_uploads(key: str) -> None:
    # A rerun that was on its way when the chute was emptied comes with the same files, which are gone: they are in.
    files = [file for file in st.session_state.get(key) or [] if isinstance(file, UploadedFile)]
    if files:
        _take((file.name, file.getvalue()) for file in files)
        _empty_chute()


def _take_photo(key: str) -> None:
    photo = st.session_state.get(key)
    if isinstance(photo, UploadedFile):
        _take([("Photo", photo.getvalue())])
        _empty_chute()


def _empty_chute() -> None:
    """A new, empty uploader with the next run. The raw bytes would stay until the visit ends: they go now."""
    st.session_state["upload_round"] += 1
    context = get_script_run_ctx()
    if context is not None:
        context.uploaded_file_mgr.remove_session_files(context.session_id)


def _take(arrivals: Iterable[tuple[str, bytes]], sample: Sample | None = None) -> None:
    """Decode what arrived; the good go into the tray, for the others there is a sentence."""
    pictures = tray()
    problems: list[tuple[str, str]] = []
    limit = resources.settings().max_upload_bytes
    left_out = 0
    first: str | None = None
    for name, data in arrivals:
        if len(pictures) >= MAX_PICTURES:
            left_out += 1
            continue
        try:
            picture = Picture(name, images.decode(data, max_bytes=limit, name=name), sample)
        except ImgrecError as error:
            problems.append((name, str(error)))
            continue
        if all(picture.id != other.id for other in pictures):
            pictures.append(picture)
        first = first or picture.id
    if left_out:
        problems.append(
            (f"{left_out} more", f"Expected at most {MAX_PICTURES} pictures at a time; these were left out.")
        )
    if first is not None:
        st.session_state["tray_selected"] = first
    st.session_state["tray_problems"] = problems


def _refuse_too_large(names: list[str]) -> None:
    limit = resources.settings().max_upload_bytes // MIB
    sentence = f"Expected a picture of at most {limit} MiB. Received: a larger file."
    st.session_state["tray_too_large"] = [(name, sentence) for name in names]


def _problems() -> None:
    for name, sentence in [*st.session_state.get("tray_too_large", []), *st.session_state.get("tray_problems", [])]:
        st.error(sentence, title=_plain(name), icon=":material/broken_image:")


def _preview(picture: Picture) -> None:
    image = picture.image
    height, width = image.size_px
    st.image(
        resources.thumbnail(picture.id, PREVIEW_SIDE_PX, image),
        width="stretch",
        alt=picture.sample.alt if picture.sample else f"The picture that the models look at: {picture.name}",
    )
    st.caption(" · ".join([f"**{_plain(picture.name)}**", f"{width} × {height}", image.format, *image.notes]))
    if picture.sample:
        st.caption(f":material/lightbulb: {picture.sample.lesson}")


def _film() -> None:
    """The thumbnails of several pictures, and a way to be rid of them."""
    pictures = tray()
    if len(pictures) < 2:
        return
    now = current()
    shown = pictures if st.session_state.get("film_open") else pictures[:MAX_TILES]
    tiles = [
        Tile(p.id, p.name, resources.thumbnail(p.id, resources.TILE_SIDE_PX, p.image), selected=p is now) for p in shown
    ]
    strip(
        "Your pictures",
        tiles,
        key="film",
        on_pick=_look_at,
        on_more=_show_all,
        more=len(pictures) - len(shown),
    )
    st.button("Clear pictures", key="clear", icon=":material/delete_sweep:", type="tertiary", on_click=_clear)


def _show_all() -> None:
    st.session_state["film_open"] = True


def _look_at(picture_id: str) -> None:
    st.session_state["tray_selected"] = picture_id


def _clear() -> None:
    for key in ("tray", "tray_selected", "tray_problems", "tray_too_large", "film_open"):
        st.session_state.pop(key, None)


def _plain(name: str) -> str:
    """A file name as text: Streamlit would read its brackets and asterisks as Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>$:#~|{}()!" else c for c in name)
