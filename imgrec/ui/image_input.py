"""The images of a session: dropped, chosen, photographed, pasted or samples; they survive page switches and reloads.

Files in Streamlit's uploader are decoded at once and kept in the session, and the uploader is emptied: the raw bytes
are freed, the same file can be dropped again, and a page switch loses nothing.
"""

import secrets
from collections.abc import Iterable, Sequence
from functools import partial

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from imgrec.errors import ImgrecError
from imgrec.images import decoding, gallery, remote
from imgrec.inference import turns
from imgrec.settings import MIB
from imgrec.ui import caches, uploads
from imgrec.ui.elements import RESULT, Tile, errors_shown, intake, remember_tab, strip
from imgrec.ui.image_store import KEEP_S
from imgrec.ui.image_store import Image as Image
from imgrec.ui.markdown import plain

# The contact sheet of a session, as `contact_sheet.drop_zone` makes it; it survives a reload with the images.
SHEET = "contact_sheet"

# The id of the image that was opened from it last, and what it says about that image.
NOTE = "contact_sheet_note"

# A decoded image takes 1.5 to 8 MB of the session; one part in four is left to the history.
MAX_IMAGES = 24
TRAY_SHARE = 0.75

# More thumbnails than these are hidden behind a number.
MAX_TILES = 12

PREVIEW_SIDE_PX = 640

# Shown until there is an image: several labels fit it, and networks agree on one.
EXAMPLE = "espresso.jpg"

# In place of a field that could never work.
OFFLINE = "This server was started without a network, so it cannot fetch images. Save the image, and drop the file."

KEPT = f"Images stay on this server for {KEEP_S // 60} minutes after you leave, then they are deleted."


def tray() -> list[Image]:
    """Return the images of this session, oldest first."""
    images: list[Image] = st.session_state.setdefault("tray", [])
    return images


def current() -> Image | None:
    """Return the selected image, or None."""
    selected = st.session_state.get("tray_selected")
    return next((image for image in tray() if image.id == selected), tray()[-1] if tray() else None)


def survive_reload() -> None:
    """Keep the images and the contact sheet of this tab for a reload, and restore them after one; each page does it."""
    ask = not st.session_state.get("tab_asked", False)
    has_any = tray() or st.session_state.get(SHEET)
    before = remember_tab(_tab() if has_any else None, ask=ask)
    if before is not None:
        _restore(before)
        st.rerun()
    _keep()


# An open page keeps its images in time, also when nothing is clicked.
@st.fragment(run_every=KEEP_S / 4)
def _keep() -> None:
    state = st.session_state
    caches.image_store().put(_tab(), tray(), state.get("tray_selected"), state.get(SHEET))


def _tab() -> str:
    """Return the id of this browser tab: 256 random bits, never in an address."""
    tab: str = st.session_state.setdefault("tab_id", secrets.token_urlsafe(32))
    return tab


def _restore(tab: str) -> None:
    state = st.session_state
    state["tab_asked"] = True
    # Only an id with images is accepted, so that every id was made here.
    stored = caches.image_store().get(tab)
    if stored is None:
        return
    known = {image.id for image in stored.images}
    new = [image for image in tray() if image.id not in known]
    state["tray"] = [*stored.images, *new]
    if not new:
        state["tray_selected"] = stored.selected
    if stored.sheet is not None and not state.get(SHEET):
        state[SHEET] = stored.sheet
    state["tab_id"] = tab


def panel() -> Image:
    """Show everything for adding images, and the selected one; return it, or a sample while there is none."""
    _inputs()
    problems = [*st.session_state.get("tray_too_large", []), *st.session_state.get("tray_problems", [])]
    for name, sentence in problems:
        st.error(sentence, title=plain(name), icon=":material/broken_image:")
    image = current() or example()
    _preview(image)
    if tray():
        _film()
        st.caption(KEPT)
    else:
        sample_gallery()
    intake(
        "drop_zone",
        caches.settings().max_upload_bytes,
        key="intake",
        result=RESULT,
        changes=st.session_state.get("tray_changes", 0),
        on_too_large=_refuse_too_large,
    )
    return image


def example() -> Image:
    """Return the sample that stands on a page without images."""
    sample = gallery.get_sample(EXAMPLE)
    return Image(sample.title, caches.sample_image(sample.file), sample)


def sample_gallery(side_px: int = 72) -> None:
    """Show the sample images, each a button with its title."""
    tiles = [
        Tile(s.file, f"{s.title}: {s.alt}", caches.sample_thumbnail(s.file), caption=s.title)
        for s in gallery.get_samples()
    ]
    strip("Sample images", tiles, key="samples", on_pick=take_sample, side_px=side_px)


def take_sample(file: str) -> None:
    """Add the sample whose file is called `file` and select it."""
    sample = gallery.get_sample(file)
    image = Image(sample.title, caches.sample_image(file), sample)
    refusal = _add(image)
    st.session_state["tray_problems"] = [] if refusal is None else [(sample.title, refusal)]
    if refusal is None:
        _select(image.id)


def show(image: Image) -> None:
    """Select an image of this visit, and take it back where it was removed."""
    images = tray()
    if all(image.id != other.id for other in images):
        while images and _why_full(images, image) is not None:
            del images[0]  # the oldest makes room
        images.append(image)
    st.session_state["tray_problems"] = []
    _select(image.id)


def _inputs() -> None:
    key = uploads.key_of("images")
    # One row where it fits (see assets/style.css).
    with st.container(horizontal=True, gap="small", key="inputs"):
        with st.container(key="drop_zone"):
            # No `type=`: the decoder looks at the bytes, and a JPEG called .dat is an image too.
            st.file_uploader(
                "Drop images here, or paste with Ctrl+V",
                accept_multiple_files=True,
                key=key,
                max_upload_size=uploads.image_limit_mib(),
                help=KEPT,
                on_change=_take_uploads,
                args=(key,),
            )
        _by_address()
        camera = st.popover(
            "Camera", icon=":material/photo_camera:", key="camera_open", on_change="rerun", type="tertiary"
        )
        if tray():
            with st.popover("Samples", icon=":material/photo_library:", key="samples_open", type="tertiary"):
                sample_gallery()
    if camera.open:
        # Otherwise the browser would ask for the camera at once.
        shot = uploads.key_of("photo")
        arguments = (shot, "photo")
        camera.camera_input("Take a photo", key=shot, on_change=_take_uploads, args=arguments, resolution="720p")


def _by_address() -> None:
    """Show a field for the address of an image, not in a demo: there the server would fetch for anyone."""
    if caches.settings().demo:
        return
    if st.session_state.pop("address_taken", False):
        st.session_state["address_open"], st.session_state["address"] = False, ""
    offline = caches.settings().offline
    panel = st.popover(
        "URL",
        icon=":material/link:",
        key="address_open",
        on_change="rerun",
        type="tertiary",
        disabled=offline,
        help=OFFLINE if offline else None,
    )
    if offline or not panel.open:
        return
    with panel, st.form("by_address", border=False):
        address = st.text_input("Address of an image", key="address", placeholder="https://…")
        if st.form_submit_button("Fetch", icon=":material/download:") and address.strip():
            # Here and not in a callback, so that the page says what it waits for.
            with st.spinner("Fetching the image …"), errors_shown(":material/link_off:"), turns.left():
                _take([remote.fetch(address, caches.settings())], url=address.strip())
                st.session_state["address_taken"] = not st.session_state["tray_problems"]
                st.rerun()


def _take_uploads(key: str, uploader: str = "images") -> None:
    found = st.session_state.get(key) or []
    # A rerun that started before the uploader was emptied may still have files that are already taken.
    files = [file for file in (found if isinstance(found, list) else [found]) if isinstance(file, UploadedFile)]
    if files:
        _take(("Photo" if uploader == "photo" else file.name, file.getvalue()) for file in files)
        uploads.empty(uploader, files)


def _take(arrivals: Iterable[tuple[str, bytes]], url: str | None = None) -> None:
    """Decode files: images go into the tray until it is full, anything else gets a sentence."""
    problems: list[tuple[str, str]] = []
    limit = caches.settings().max_upload_bytes
    left_out, full = 0, None
    first: str | None = None
    for name, data in arrivals:
        if full is None and len(tray()) >= MAX_IMAGES:
            full = _too_many()
        if full is not None:  # decoding costs seconds, so the rest is left as it is
            left_out += 1
            continue
        try:
            image = Image(name, decoding.decode(data, max_bytes=limit, name=name), None, url)
        except ImgrecError as error:
            problems.append((name, str(error)))
            continue
        full = _add(image)
        if full is None:
            first = first or image.id
        else:
            left_out += 1
    if full is not None:
        problems.append((f"{left_out} more", full))
    if first is not None:
        _select(first)
    st.session_state["tray_problems"] = problems


def _add(image: Image) -> str | None:
    """Add `image` to the tray, once; return a sentence where there is no room for it."""
    images = tray()
    if any(image.id == other.id for other in images):
        return None
    if (full := _why_full(images, image)) is not None:
        return full
    if image.sample is None:
        quota, size_bytes = caches.image_quota(), image.image.nbytes
        caches.image_store().make_room(lambda: quota.has_room(size_bytes))
        if not quota.has_room(size_bytes):
            return "The server has no memory left for more images. Try again in a minute."
        quota.add(image.image)
    images.append(image)
    return None


def _why_full(images: Sequence[Image], image: Image) -> str | None:
    """Return a sentence where the tray has no room for `image`; the samples are shared, and take no memory of a tab."""
    if len(images) >= MAX_IMAGES:
        return _too_many()
    size_bytes = sum(one.image.nbytes for one in (*images, image) if one.sample is None)
    if size_bytes > TRAY_SHARE * caches.settings().session_bytes:
        return "These images fill the memory that one tab may use. Remove some, then add these again."
    return None


def _too_many() -> str:
    return f"The limit is {MAX_IMAGES} images. Remove some, then add these again."


def _refuse_too_large(names: list[str]) -> None:
    limit = caches.settings().max_upload_bytes // MIB
    sentence = f"The file is larger than {limit} MiB, the limit for an image."
    st.session_state["tray_too_large"] = [(name, sentence) for name in names]


def _preview(image: Image) -> None:
    height, width = image.image.size_px
    with st.container(key="preview"):
        st.image(
            caches.thumbnail(image.id, PREVIEW_SIDE_PX, image.image),
            width="stretch",
            alt=image.sample.alt if image.sample else f"The selected image: {image.name}",
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        facts = [f"**{plain(image.name)}**", f"{width} × {height}", image.image.format, *image.image.notes]
        st.caption(" · ".join(facts))
        if tray():
            st.button(
                "Remove", key="remove", icon=":material/close:", type="tertiary", on_click=_remove, args=(image.id,)
            )
    if image.sample:
        st.caption(image.sample.caption)


def _film() -> None:
    """Show the thumbnails of several images, and a way to remove one or all."""
    images = tray()
    if len(images) < 2:
        return
    now = current()
    shown = images if st.session_state.get("film_open") else images[:MAX_TILES]
    tiles = [Tile(p.id, p.name, caches.thumbnail(p.id, caches.TILE_SIDE_PX, p.image), selected=p is now) for p in shown]
    strip(
        "Your images",
        tiles,
        key="film",
        on_pick=partial(st.session_state.__setitem__, "tray_selected"),
        on_remove=_remove,
        on_more=partial(st.session_state.__setitem__, "film_open"),
        more=len(images) - len(shown),
    )
    st.button("Clear images", key="clear", icon=":material/delete_sweep:", type="tertiary", on_click=_clear)


def _select(image_id: str | None) -> None:
    """Select an image after the tray has changed, which removes the element with the focus."""
    st.session_state["tray_selected"] = image_id
    st.session_state["tray_changes"] = st.session_state.get("tray_changes", 0) + 1


def _remove(image_id: str) -> None:
    """Remove one image; if it was selected, its neighbor is next."""
    images = tray()
    now = current()
    place = next((place for place, image in enumerate(images) if image.id == image_id), None)
    if place is None or now is None:
        return
    del images[place]
    if now.id == image_id:
        now = images[min(place, len(images) - 1)] if images else None
    _select(now.id if now else None)


def _clear() -> None:
    for key in ("tray", "tray_problems", "tray_too_large", "film_open"):
        st.session_state.pop(key, None)
    _select(None)
