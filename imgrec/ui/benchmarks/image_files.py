"""The images behind stored predictions: where they are, how to give them, and cards that show them.

Images are not part of imgrec. Of these places, the first that has them is used:

    uploaded in this session; a public demo has no other
    the folder or archive given on the page, remembered in IMGREC_HOME/image_folders.json
    IMGREC_HOME/datasets/<dataset>/, or a .zip or .tar; what is uploaded on the page is kept there
    Keras' own download, for datasets that have a name there
    the folders given for other datasets, what lies beside them, and where the dataset was when it was measured

Files belong to predictions by their names.
"""

import json
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from imgrec.data import archives, evaluation_split, sources
from imgrec.data.dataset import Dataset
from imgrec.errors import ImgrecError, InputError
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.files import replacing, storage_errors
from imgrec.formatting import percent
from imgrec.images import decoding
from imgrec.settings import MIB
from imgrec.ui import caches, uploads
from imgrec.ui.benchmarks.measurements import stored, title
from imgrec.ui.markdown import plain

# Images on one page of a list.
SHOWN = 12

# Of a prediction: the first choices, and the true class if it is none of them.
FIRST = 3

# The long side of an image on a card: large enough to see what it shows, small enough for four cards on a screen.
IMAGE_PX = 224

Shown = tuple[bytes | np.ndarray, int]  # what is shown, and how wide

# What Streamlit lets arrive; a larger archive is given by its path.
MAX_ARCHIVE_MIB = 200
ARCHIVES = ("zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz")

REMEMBERED = "image_folders.json"

# In the session: the archive of each dataset that was uploaded to a demo, and what was wrong with the last one given.
_UPLOADS = "bench_uploads"
_PROBLEM = "bench_images_problem"

# What half precision makes 0 or 1 is only below or above these.
_LEAST = float(np.finfo(np.float16).smallest_subnormal)
_MOST = 1 - float(np.finfo(np.float16).epsneg) / 2


@dataclass(frozen=True, slots=True)
class Source:
    """Where images are: `files` by id in the folder or archive at `place`, or `arrays` of a dataset without files."""

    place: str
    files: Mapping[str, PurePosixPath]
    arrays: Dataset | None = None
    changed_at: int = 0

    def __len__(self) -> int:
        return len(self.files) or len(self.arrays or ())


def show(board: AlignedResults, places: Sequence[int], models: Sequence[str], key: str) -> None:
    """Show the images at these positions as cards, with the first choices of each of `models`.

    Where the images are not known, there is a place to give them above the cards.
    """
    if not places:
        st.caption("No images.")
        return
    source = find(board)
    if source is None:
        _ask(board)
    with st.container(horizontal=True, vertical_alignment="center"):
        pages = -(-len(places) // SHOWN)
        page = st.pagination(pages, key=f"{key}_page_{board.name}_{len(places)}_{places[0]}") if pages > 1 else 1
        if source is not None:
            st.space("stretch")
            _change(board, source)
    shown = list(places[((page or 1) - 1) * SHOWN :][:SHOWN])
    found = _read(source, tuple(board.ids[i] for i in shown)) if source is not None else {}
    with st.grid(4, min_column_width=230):
        for i in shown:
            with st.container(border=True, gap="xsmall", height="stretch"):
                _card(board, i, models, found.get(board.ids[i]))


def find(board: AlignedResults) -> Source | None:
    """Return where the images of the board are; None where that is not known."""
    for place, has_all in _candidates(board):
        found = _look(board, place)
        if isinstance(found, Source) and (len(found) >= board.images or not has_all):
            return found
    return None


def match(ids: Sequence[str], names: Sequence[PurePosixPath]) -> dict[str, PurePosixPath]:
    """Return the file of each id that has one: of the same path, of a path that ends in the id, or of the same name.

    Several files of that path or name are none: they cannot be told apart.

    >>> match(["cats/1.jpg"], [PurePosixPath("test/cats/1.jpg"), PurePosixPath("test/dogs/1.jpg")])
    {'cats/1.jpg': PurePosixPath('test/cats/1.jpg')}
    """
    present = set(names)
    found = {name: PurePosixPath(name) for name in ids if PurePosixPath(name) in present}
    if found:
        return found
    depth = max((len(PurePosixPath(name).parts) for name in ids), default=1)
    for parts in dict.fromkeys((depth, 1)):
        wanted, have = (Counter(_end(name, parts) for name in some) for some in (ids, names))
        files = {_end(name, parts): name for name in names}
        found = {
            name: files[end] for name in ids if (end := _end(name, parts)) in files and wanted[end] == have[end] == 1
        }
        if found:
            return found
    return {}


def remember(board: AlignedResults, place: str) -> None:
    """Take the images of the board from the folder or archive at `place` from now on; raises where it has none."""
    found = _look(board, place)
    if isinstance(found, str):
        raise InputError(found)
    home = caches.settings().home
    with storage_errors(home):
        home.mkdir(parents=True, exist_ok=True)
    with replacing(home / REMEMBERED) as beside:
        beside.write_text(json.dumps(_remembered() | {str(board.about["digest"]): place}, indent=1))


def _end(name: str | PurePosixPath, parts: int) -> str:
    return "/".join(PurePosixPath(name).parts[-parts:])


def _candidates(board: AlignedResults) -> list[tuple[str, bool]]:
    """Places to look at, and whether all images must be there: a place given for another dataset proves nothing."""
    digest, settings = str(board.about["digest"]), caches.settings()
    uploaded = st.session_state.get(_UPLOADS, {}).get(digest)
    places = [(str(uploaded[1]), False)] if uploaded else []
    if settings.demo:
        return places
    given = _remembered()
    name = str(board.about["name"])
    if digest in given:
        places.append((given[digest], False))
    home = settings.home / "datasets"
    places += [(str(home / end), False) for end in (name, *(f"{name}.{suffix}" for suffix in ARCHIVES))]
    if name in sources.DATASETS and any((settings.keras_home / "datasets").glob("cifar*10*")):
        places.append((name, True))
    for other in dict.fromkeys(given.values()):
        places += [(other, True), (str(Path(other).parent / name), True)]
    if Path(str(board.about["source"])).is_absolute():
        places.append((str(board.about["source"]), True))
    return [(place, has_all) for place, has_all in places if place in sources.DATASETS or Path(place).exists()]


def _remembered() -> dict[str, str]:
    """The places given before, by the digest of their dataset; a file that cannot be read is none."""
    try:
        found = json.loads((caches.settings().home / REMEMBERED).read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): str(place) for key, place in found.items()} if isinstance(found, dict) else {}


def _changed_at(place: str) -> int:
    try:
        return Path(place).stat().st_mtime_ns
    except OSError:
        return 0


def _look(board: AlignedResults, place: str) -> Source | str:
    about = board.about
    return _open(place, str(about["digest"]), about.get("per_class"), board.images, _changed_at(place), board)


@st.cache_resource(max_entries=16, show_spinner="Looking for the images")
def _open(place: str, digest: str, per_class: int | None, count: int, changed_at: int, _board: AlignedResults) -> Source | str:
    """What of the dataset is at `place`, or a sentence where nothing is."""
    try:
        if place in sources.DATASETS or place.endswith(".npz"):
            found = evaluation_split.open_evaluation_split(place, caches.settings(), per_class=per_class)
            if found.digest != digest:
                return f"{place} has other images than this dataset."
            return Source(place, {}, found)
        path = Path(place).expanduser()
        if not path.exists():
            return f"There is no folder or file {place}. Check the spelling."
        files = match(_board.ids, archives.survey(path).names)
    except ImgrecError as error:
        return str(error)
    if not files:
        return f"No file in {path.name} has the name of an image of this dataset, such as {_board.ids[0]}."
    return Source(str(path), files, changed_at=changed_at)


def _read(source: Source, ids: tuple[str, ...]) -> dict[str, Shown]:
    """The images with these ids, as far as they are there and can be decoded."""
    try:
        if source.arrays is not None:
            found = source.arrays.images(ids)
            return {name: _enlarged(pixels) for name, pixels in found.items() if isinstance(pixels, np.ndarray)}
        return _thumbnails(
            source.place, source.changed_at, tuple((i, source.files[i]) for i in ids if i in source.files)
        )
    except ImgrecError as error:
        st.error(plain(str(error)), icon=":material/broken_image:")
        return {}


@st.cache_data(max_entries=64, show_spinner=False)
def _thumbnails(place: str, changed_at: int, files: tuple[tuple[str, PurePosixPath], ...]) -> dict[str, Shown]:
    """JPEG by id, through the only doors that files from elsewhere have: `archives` and `images`."""
    limit = caches.settings().max_upload_bytes
    ids = {name: one for one, name in files}
    found: dict[str, Shown] = {}
    for name, data in archives.files(Path(place), max_bytes=limit, only=set(ids), on_damaged=lambda *_: None):
        try:
            image = decoding.decode(data, max_bytes=limit)
            height, width = image.pixels.shape[:2]
            found[ids[name]] = decoding.thumbnail(image, IMAGE_PX), max(1, IMAGE_PX * width // max(height, width))
        except ImgrecError:
            continue
    return found


def _enlarged(pixels: np.ndarray) -> Shown:
    """Whole multiples of small pixels: a browser would blur them."""
    times = max(1, IMAGE_PX // max(pixels.shape[:2]))
    return pixels.repeat(times, axis=0).repeat(times, axis=1), times * pixels.shape[1]


def _card(board: AlignedResults, position: int, models: Sequence[str], image: Shown | None) -> None:
    truth = board.labels[board.target[position]]
    if image is not None:
        st.image(image[0], width=image[1], alt=f"An image of the class {truth}")
    st.markdown(f"True: **{plain(truth)}** :small[:gray[{plain(board.ids[position])}]]")
    for model in models:
        st.markdown(f":small[**{plain(title(board, model))}**]  \n" + _first_choices(board, model, position))


def _first_choices(board: AlignedResults, model: str, position: int) -> str:
    found = stored(board, model)
    name = board.ids[position]
    row = position if found.ids[position : position + 1] == (name,) else found.ids.index(name)
    probabilities = found.probabilities[row].astype(np.float64)
    order = [int(i) for i in np.argsort(-probabilities, kind="stable")]
    truth = int(board.target[position])
    lines = []
    for i in dict.fromkeys([*order[:FIRST], truth]):
        words = f"{plain(board.labels[i])} {percent(min(max(float(probabilities[i]), _LEAST), _MOST))}"
        lines.append(f":small[{'✓ ' if i == truth else ''}{words}]")
    return "  \n".join(lines)


def _change(board: AlignedResults, source: Source) -> None:
    """How many images were found and where, and a way to give others."""
    with st.popover(f"{len(source):,} of {board.images:,} images", icon=":material/photo_library:", type="tertiary"):
        if not caches.settings().demo:
            st.caption(f"Read from {plain(source.place)}.")
        _fields(board)


def _ask(board: AlignedResults) -> None:
    """What to do to see the images."""
    with st.container(border=True, key="bench_images_wanted"):
        st.markdown(
            ":material/add_photo_alternate: **Add the images to see them here.** They are not part of imgrec; "
            "files are matched to the predictions by name."
        )
        _fields(board)


def _fields(board: AlignedResults) -> None:
    settings = caches.settings()
    limit = max(1, settings.max_upload_bytes // MIB) if settings.demo else MAX_ARCHIVE_MIB
    digest = str(board.about["digest"])[:12]
    uploader = f"bench_images_{digest}"
    upload, folder = (st.container(), None) if settings.demo else st.columns(2, gap="medium")
    with upload:
        file = st.file_uploader(
            f"Drop a zip or tar of the images (at most {limit} MiB)",
            ["zip", "tar", "gz", "tgz", "bz2", "xz"],
            key=uploads.key_of(uploader),
            max_upload_size=limit,
            help="It is kept for this visit only." if settings.demo else "It is kept in IMGREC_HOME, for later visits.",
        )
    if folder is not None:
        key = f"bench_folder_{digest}"
        folder.text_input(
            "Or a folder, zip or tar on this machine",
            key=key,
            placeholder="/data/imagenet_val",
            on_change=_given,
            args=(board, key),
            help="It is read where it is, and remembered in IMGREC_HOME.",
        )
    problem = st.session_state.pop(_PROBLEM, None)
    if problem is not None:
        st.warning(plain(problem), icon=":material/folder_off:")
    if file is not None:
        _keep(board, file)
        uploads.empty(uploader, [file])
        st.rerun()


def _given(board: AlignedResults, key: str) -> None:
    place = str(st.session_state[key]).strip()
    if not place:
        return
    try:
        remember(board, str(Path(place).expanduser().absolute()))
    except ImgrecError as error:
        st.session_state[_PROBLEM] = str(error)


def _keep(board: AlignedResults, file: UploadedFile) -> None:
    """Store an uploaded archive that has images of the board: for the session in a demo, else in IMGREC_HOME."""
    settings, digest = caches.settings(), str(board.about["digest"])
    suffix = next((suffix for suffix in ARCHIVES if file.name.lower().endswith(f".{suffix}")), "zip")
    kept = _Kept() if settings.demo else None
    path = (kept.folder if kept else settings.home / "datasets") / f"uploaded-{digest[:12]}.{suffix}"
    try:
        with storage_errors(path, file.size):
            path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, file.size) as beside:
            beside.write_bytes(file.getvalue())
            found = _look(board, str(beside))
            if isinstance(found, str):
                raise InputError(found.replace(beside.name, Path(file.name).name))
        if kept is not None:
            st.session_state.setdefault(_UPLOADS, {})[digest] = (kept, path)
        else:
            remember(board, str(path))
    except ImgrecError as error:
        st.session_state[_PROBLEM] = str(error)


class _Kept:
    """A folder that goes with the session that holds this."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="imgrec-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
