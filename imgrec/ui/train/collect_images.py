"""Pictures by class, put together on the page: a row for each class, with its name, a place to drop, and thumbnails.

What is dropped lies in an album at once (see `albums`), so nothing here is lost with the page. An album comes into
being with the first change, not by looking.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from imgrec.data import collections, folders
from imgrec.data.collections import Album
from imgrec.errors import ImageError, ImgrecError
from imgrec.files import storage_errors
from imgrec.images import decoding
from imgrec.settings import MIB
from imgrec.ui import caches, uploads
from imgrec.ui.elements import Tile, strip
from imgrec.ui.markdown import plain

# More thumbnails than this are a wall; the rest is counted, and shown on demand up to the second figure.
MAX_TILES = 12
MAX_TILES_OPEN = 120

# Twelve of them and the count make two rows beside a run.
TILE_PX = 48

# Each row has widgets of its own; a set of more classes is better put together in folders.
MAX_ROWS = 24

# Streamlit's own default: a hundred photographs from phones. It holds what arrives in memory; a larger set is better
# given by its path. .streamlit/config.toml lets as much arrive.
MAX_ARCHIVE_MIB = 200

# A set begins with these, as people know it from Teachable Machine.
FIRST_CLASSES = ("Class 1", "Class 2")
FIRST_NAME = "My images"

NEW = "New dataset"

ALREADY = "is a duplicate."  # said of a image that its class had

# The choice of `teaching` under which albums are filled.
OWN = "My classes"


def choose(name: str) -> None:
    """Show the album called `name` from the next run on."""
    st.session_state["album_wanted"] = name


def gathering() -> Album | None:
    """Choose a set that is kept here, or begin one, and fill it; None while there is none yet."""
    found = {album.name: album for album in collections.all_albums(caches.settings())}
    wanted = st.session_state.pop("album_wanted", None)
    if wanted is not None:
        st.session_state["album"] = wanted
    if st.session_state.get("album", NEW) not in {*found, NEW}:
        del st.session_state["album"]
    if said := st.session_state.pop("gather_said", None):
        st.error(plain(said), icon=":material/edit_off:")
    album = None
    if found:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.selectbox("Dataset", [*found, NEW], key="album", bind="query-params", width="stretch")
            album = found.get(name)
            if album is not None:
                _deleter(album)
    try:
        labels = album.labels if album else list(FIRST_CLASSES)
        for label in labels[:MAX_ROWS]:
            _row(album, label)
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/folder_off:")
        return None
    if len(labels) > MAX_ROWS and album:
        st.caption(f"{len(labels) - MAX_ROWS:,} more classes in {plain(str(album.root))}.")
    elif st.button("Add a class", icon=":material/add:", key="add_class", type="tertiary"):
        _add_class(album)
    if album is not None and album.test_images:
        st.caption(f"Includes a test set of {album.test_images:,} images, used once at the end.")
    return album


def archive_drop() -> None:
    """A place to drop a zip or tar of class folders: it becomes a set that is kept here."""
    key = uploads.key_of("archive")
    file = st.file_uploader(
        f"Or upload a zip or tar of class folders (up to {MAX_ARCHIVE_MIB} MiB)",
        ["zip", "tar", "gz", "tgz", "bz2", "xz"],
        key=key,
        max_upload_size=MAX_ARCHIVE_MIB,
        help="Give larger archives by their path on this machine.",
    )
    if file is None:
        return
    settings = caches.settings()
    name = Path(file.name).name
    try:
        with st.spinner("Reading the images"), storage_errors(collections.home(settings), file.size):
            collections.home(settings).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=collections.home(settings), prefix=".arrived-") as folder:
                holding = Path(folder) / name
                holding.write_bytes(file.getvalue())
                album, refused, copies = collections.unpack(holding, name.split(".")[0] or FIRST_NAME, settings)
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/folder_zip:")
        return
    _remember_problems("archive", [*((line, "") for line in refused), *((file, ALREADY) for file in copies)])
    uploads.empty("archive", [file])
    choose(album.name)
    st.session_state["source_wanted"] = OWN
    st.rerun()


def problems(key: str) -> None:
    """What could not be used of the last arrival; nothing of it is lost in silence."""
    found: list[tuple[str, str]] = st.session_state.get("gather_problems", {}).get(key, [])
    if not found:
        return
    copies = sum(sentence == ALREADY for _, sentence in found)
    bad = len(found) - copies
    told = [f"{bad:,} {'file' if bad == 1 else 'files'} skipped"] if bad else []
    told += [f"{copies:,} {'duplicate' if copies == 1 else 'duplicates'}"] if copies else []
    with st.expander(", ".join(told), icon=":material/broken_image:"):
        for name, sentence in found[:MAX_TILES_OPEN]:
            st.markdown(f"- **{plain(name)}** {plain(sentence)}" if sentence else f"- {plain(name)}")


def _row(album: Album | None, label: str) -> None:
    """One class: its name, its images, and where more can be dropped."""
    id_ = _id(album, label)
    files = album.images(label) if album else []
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.text_input(
                "Class name",
                label,
                key=f"name_{id_}",
                max_chars=folders.MAX_NAME_CHARACTERS,
                label_visibility="collapsed",
                on_change=_rename,
                args=(album, label, f"name_{id_}"),
                width="stretch",
            )
            st.caption(f"{len(files):,} {'image' if len(files) == 1 else 'images'}", width="content")
            st.button(
                "Remove",
                icon=":material/close:",
                key=f"remove_{id_}",
                type="tertiary",
                on_click=_remove_class,
                args=(album, label),
                help=f"Remove {plain(label)} and its images",
            )
        _drop(album, label, id_)
        problems(id_)
        if files and album is not None:
            _thumbnails(album, label, files, id_)


def _drop(album: Album | None, label: str, id_: str) -> None:
    arrived: list[UploadedFile] = st.file_uploader(
        f"Images of {plain(label)}",
        accept_multiple_files=True,
        key=uploads.key_of(id_),
        max_upload_size=max(1, caches.settings().max_upload_bytes // MIB),
        label_visibility="collapsed",
    )
    if not arrived:
        return
    try:
        album = album or _begin()
        bad = _keep(album, label, arrived)
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/folder_off:")
        return
    _remember_problems(_id(album, label), bad)
    uploads.empty(id_, arrived)
    for file in arrived:
        st.session_state["gather_done"].pop(file.file_id, None)
    st.rerun()


def _keep(album: Album, label: str, files: Sequence[UploadedFile]) -> list[tuple[str, str]]:
    """Store what can be used; returns (name, sentence) of the rest.

    When a click cuts this short the next run goes on where it was: what was done with a file is remembered, and the
    chute is emptied only after the last.
    """
    done: dict[str, str] = st.session_state.setdefault("gather_done", {})
    limit = caches.settings().max_upload_bytes
    words = f"Adding {len(files):,} {'image' if len(files) == 1 else 'images'}"
    bar = st.progress(0.0, words)
    for count, file in enumerate(files, start=1):
        if file.file_id not in done:
            try:
                new = album.add(label, file.getvalue(), max_bytes=limit, name=file.name)
                done[file.file_id] = "" if new else ALREADY
            except ImageError as error:
                done[file.file_id] = str(error)
        bar.progress(count / len(files), words)
    return [(file.name, done[file.file_id]) for file in files if done[file.file_id]]


def _thumbnails(album: Album, label: str, files: list[Path], id_: str) -> None:
    opened: set[str] = st.session_state.setdefault("gather_open", set())
    selected = st.session_state.get("gather_selected")
    shown = files[: MAX_TILES_OPEN if id_ in opened else MAX_TILES]
    tiles = [
        Tile(file.name, f"{label}, image {number}", tile(str(file)), selected=str(file) == selected)
        for number, file in enumerate(shown, start=1)
    ]
    strip(
        f"Images of {label}",
        [each for each in tiles if each.thumbnail],
        key=f"strip_{id_}",
        on_pick=lambda name: _select(str(album.root / label / name)),
        on_more=lambda _: opened.add(id_),
        more=len(files) - len(shown),
        side_px=TILE_PX,
    )
    chosen = next((file for file in files if str(file) == selected), None)
    if chosen is not None:
        st.button(
            "Remove the selected image",
            icon=":material/delete:",
            key=f"remove_picture_{id_}",
            type="tertiary",
            on_click=album.remove,
            args=(label, chosen.name),
        )


@st.cache_data(max_entries=2000, show_spinner=False)
def tile(path: str) -> bytes:
    """A small thumbnail of a image of an album, whose name is its content; empty where it cannot be read."""
    try:
        data = Path(path).read_bytes()
        return decoding.thumbnail(decoding.decode(data, max_bytes=len(data)), caches.TILE_SIDE_PX)
    except (OSError, ImageError):
        return b""


def _deleter(album: Album) -> None:
    with st.popover("Delete", icon=":material/delete:", type="tertiary"):
        st.markdown(f"Delete **{plain(album.name)}** with all its images? Models trained on it are kept.")
        st.button("Delete dataset", key="delete_album", icon=":material/delete_forever:", on_click=album.delete)


def _begin() -> Album:
    album = collections.create(FIRST_NAME, caches.settings(), FIRST_CLASSES)
    choose(album.name)
    return album


def _add_class(album: Album | None) -> None:
    try:
        album = album or _begin()
        taken = {label.casefold() for label in album.labels}
        number = next(n for n in range(1, 10_000) if f"class {n}" not in taken)
        album.add_class(f"Class {number}")
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/folder_off:")
    else:
        st.rerun()


def _rename(album: Album | None, label: str, key: str) -> None:
    try:
        album = album or _begin()
        new = album.rename_class(label, str(st.session_state[key]))
    except ImgrecError as error:
        st.session_state["gather_said"] = str(error)
        new = label
    if new == label:
        st.session_state[key] = label
    elif album is not None:
        told = st.session_state.get("gather_problems", {})
        told[_id(album, new)] = told.pop(_id(album, label), [])


def _remove_class(album: Album | None, label: str) -> None:
    try:
        album = album or _begin()
        album.remove_class(label)
    except ImgrecError as error:
        st.session_state["gather_said"] = str(error)


def _id(album: Album | None, label: str) -> str:
    """What tells this row from all others; the first row keeps its own when its album comes into being."""
    return f"{album.name if album else FIRST_NAME}/{label}"


def _select(path: str) -> None:
    now = st.session_state.get("gather_selected")
    st.session_state["gather_selected"] = None if now == path else path


def _remember_problems(key: str, found: list[tuple[str, str]]) -> None:
    st.session_state.setdefault("gather_problems", {})[key] = found
