"""Images by class, put together on the page: a row for each class, with its name, an uploader, and thumbnails.

What is dropped is stored at once (see `data.collections`), so nothing is lost with the page. A collection is created
with the first change, not by looking.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from imgrec.data import collections, folders
from imgrec.data.collections import Collection
from imgrec.data.temporary_files import plain_name
from imgrec.errors import ImageError, ImgrecError
from imgrec.files import storage_errors
from imgrec.images import decoding
from imgrec.ui import caches, uploads
from imgrec.ui.elements import Tile, errors_shown, strip
from imgrec.ui.markdown import plain
from imgrec.ui.train.form_fields import choose_next, keep_choice
from imgrec.ui.widget_keys import key_of

# Thumbnails of a class; the rest is counted, and shown on demand up to the second figure.
MAX_TILES = 12
MAX_TILES_OPEN = 120

# Twelve of them and the count make two rows beside a run.
TILE_PX = 48

# Each row has widgets of its own; more classes are better put together in folders.
MAX_ROWS = 24

# A collection begins with these, as in Teachable Machine.
FIRST_CLASSES = ("Class 1", "Class 2")
FIRST_NAME = "My images"

NEW = "New dataset"

# The choice of sources under which collections are filled.
OWN = "My classes"

# Said of an image that its class had.
ALREADY = "is a duplicate."


def collection_panel() -> Collection | None:
    """Choose a collection, or begin one, and fill it; return it, or None while there is none yet."""
    found = {each.name: each for each in collections.all_collections(caches.settings())}
    keep_choice("album", [*found, NEW])
    if said := st.session_state.pop("gather_said", None):
        st.error(plain(said), icon=":material/edit_off:")
    chosen = None
    if found:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.selectbox("Dataset", [*found, NEW], key="album", bind="query-params", width="stretch")
            if (chosen := found.get(name)) is not None:
                with st.popover("Delete", icon=":material/delete:", type="tertiary"):
                    st.markdown(f"Delete **{plain(name)}** with all its images? Models trained on it are kept.")
                    icon = ":material/delete_forever:"
                    st.button("Delete dataset", key="delete_album", icon=icon, on_click=chosen.delete)
    with errors_shown(":material/folder_off:"):
        labels = chosen.labels if chosen else list(FIRST_CLASSES)
        for label in labels[:MAX_ROWS]:
            _row(chosen, label)
        if len(labels) > MAX_ROWS and chosen:
            st.caption(f"{len(labels) - MAX_ROWS:,} more classes in {plain(str(chosen.root))}.")
        else:
            st.button(
                "Add a class",
                icon=":material/add:",
                key="add_class",
                type="tertiary",
                on_click=_change,
                args=(chosen, _add),
            )
        if chosen is not None and chosen.test_images:
            st.caption(f"Includes a test set of {chosen.test_images:,} images, used once at the end.")
        return chosen
    return None


def archive_uploader() -> None:
    """Show an uploader for a zip or tar of class folders, which becomes a collection."""
    file = st.file_uploader(
        f"Or upload a zip or tar of class folders (up to {uploads.archive_limit_mib()} MiB)",
        ["zip", "tar", "gz", "tgz", "bz2", "xz"],
        key=uploads.key_of("archive"),
        max_upload_size=uploads.archive_limit_mib(),
        help="Give larger archives by their path on this machine.",
    )
    if file is None:
        return
    settings, name = caches.settings(), plain_name(file.name)
    home = collections.home(settings)
    with errors_shown(":material/folder_zip:"):
        with st.spinner("Reading the images"), storage_errors(home, file.size):
            home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=home, prefix=".arrived-") as folder:
                (Path(folder) / name).write_bytes(file.getvalue())
                made, refused, copies = collections.unpack(
                    Path(folder) / name, name.split(".")[0] or FIRST_NAME, settings
                )
        _problems()["archive"] = [*((line, "") for line in refused), *((file, ALREADY) for file in copies)]
        uploads.empty("archive", [file])
        choose_next("album", made.name)
        choose_next("source", OWN)
        st.rerun()


def problems(key: str) -> None:
    """Show what could not be used of the last upload of "archive", or of a row."""
    found = _problems().get(key, [])
    copies = sum(sentence == ALREADY for _, sentence in found)
    counts = ((len(found) - copies, "file", " skipped"), (copies, "duplicate", ""))
    told = [f"{count:,} {noun}{'s' * (count != 1)}{rest}" for count, noun, rest in counts if count]
    if told:
        with st.expander(", ".join(told), icon=":material/broken_image:"):
            for name, sentence in found[:MAX_TILES_OPEN]:
                st.markdown(f"- **{plain(name)}** {plain(sentence)}" if sentence else f"- {plain(name)}")


def _row(chosen: Collection | None, label: str) -> None:
    """Show one class: its name, an uploader, and its images."""
    id_ = _id(chosen, label)
    files = chosen.images(label) if chosen else []
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.text_input(
                "Class name",
                label,
                key=f"name_{id_}",
                max_chars=folders.MAX_NAME_CHARACTERS,
                label_visibility="collapsed",
                on_change=_rename,
                args=(chosen, label, f"name_{id_}"),
                width="stretch",
            )
            st.caption(f"{len(files):,} {'image' if len(files) == 1 else 'images'}", width="content")
            st.button(
                "Remove",
                icon=":material/close:",
                key=f"remove_{id_}",
                type="tertiary",
                on_click=_change,
                args=(chosen, lambda collection: collection.remove_class(label)),
                help=f"Remove {plain(label)} and its images",
            )
        dropped: list[UploadedFile] = st.file_uploader(
            f"Images of {plain(label)}",
            accept_multiple_files=True,
            key=uploads.key_of(id_),
            max_upload_size=uploads.image_limit_mib(),
            label_visibility="collapsed",
        )
        if dropped:
            with errors_shown(":material/folder_off:"):
                _keep(chosen or _begin(), label, dropped)
                uploads.empty(id_, dropped)
                st.rerun()
        problems(id_)
        if files and chosen is not None:
            _thumbnails(chosen, label, files, id_)


def _keep(chosen: Collection, label: str, files: Sequence[UploadedFile]) -> None:
    """Store what can be used, and remember a sentence on the rest.

    When a click cuts this short, the next run goes on where it was: what was done with a file is remembered.
    """
    done: dict[str, str] = st.session_state.setdefault("gather_done", {})
    words = f"Adding {len(files):,} {'image' if len(files) == 1 else 'images'}"
    bar = st.progress(0.0, words)
    for count, file in enumerate(files, start=1):
        if file.file_id not in done:
            try:
                limit = caches.settings().max_upload_bytes
                is_new = chosen.add(label, file.getvalue(), max_bytes=limit, name=file.name)
                done[file.file_id] = "" if is_new else ALREADY
            except ImageError as error:
                done[file.file_id] = str(error)
        bar.progress(count / len(files), words)
    told = [(file.name, done.pop(file.file_id)) for file in files]
    _problems()[_id(chosen, label)] = [(name, sentence) for name, sentence in told if sentence]


def _thumbnails(chosen: Collection, label: str, files: list[Path], id_: str) -> None:
    opened: set[str] = st.session_state.setdefault("gather_open", set())
    selected = st.session_state.get("gather_selected")

    def select(name: str) -> None:
        path = str(chosen.root / label / name)
        st.session_state["gather_selected"] = None if path == selected else path

    shown = files[: MAX_TILES_OPEN if id_ in opened else MAX_TILES]
    tiles = [
        Tile(file.name, f"{label}, image {number}", tile(str(file)), selected=str(file) == selected)
        for number, file in enumerate(shown, start=1)
    ]
    strip(
        f"Images of {label}",
        [each for each in tiles if each.thumbnail],
        key=f"strip_{id_}",
        on_pick=select,
        on_more=lambda _: opened.add(id_),
        more=len(files) - len(shown),
        side_px=TILE_PX,
    )
    for file in files:
        if str(file) == selected:
            st.button(
                "Remove the selected image",
                icon=":material/delete:",
                key=f"remove_selected_{id_}",
                type="tertiary",
                on_click=chosen.remove,
                args=(label, file.name),
            )


@st.cache_data(max_entries=2000, show_spinner=False)
def tile(path: str) -> bytes:
    """Return a thumbnail of an image of a collection, whose name is its content; empty where it cannot be read."""
    try:
        data = Path(path).read_bytes()
        return decoding.thumbnail(decoding.decode(data, max_bytes=len(data)), caches.TILE_SIDE_PX)
    except (OSError, ImageError):
        return b""


def _begin() -> Collection:
    made = collections.create(FIRST_NAME, caches.settings(), FIRST_CLASSES)
    choose_next("album", made.name)
    return made


def _change(chosen: Collection | None, change: Callable[[Collection], object]) -> None:
    """Apply `change` to a collection, which is created for it if there is none; keep its error for the next run."""
    try:
        change(chosen or _begin())
    except ImgrecError as error:
        st.session_state["gather_said"] = str(error)


def _add(chosen: Collection) -> None:
    taken = {label.casefold() for label in chosen.labels}
    chosen.add_class(f"Class {next(n for n in range(1, 10_000) if f'class {n}' not in taken)}")


def _rename(chosen: Collection | None, label: str, key: str) -> None:
    def rename(collection: Collection) -> None:
        new = collection.rename_class(label, str(st.session_state[key]))
        _problems()[_id(collection, new)] = _problems().pop(_id(collection, label), [])

    _change(chosen, rename)
    st.session_state[key] = label


def _id(chosen: Collection | None, label: str) -> str:
    """Return the key of this row among all others; it stays when the first collection is created."""
    return key_of("class", chosen.name if chosen else FIRST_NAME, label)


def _problems() -> dict[str, list[tuple[str, str]]]:
    """Return (name, sentence) of what could not be used, by row."""
    found: dict[str, list[tuple[str, str]]] = st.session_state.setdefault("gather_problems", {})
    return found
