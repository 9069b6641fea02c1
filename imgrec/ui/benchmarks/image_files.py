"""The images behind stored predictions: where they are, how to add them, and cards that show them.

Images are not part of imgrec. Of these places, the first that has them is used:

    an archive uploaded in this session; a public demo has no other place
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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from imgrec import json_files
from imgrec.data import archives, evaluation_split, sources
from imgrec.errors import ImgrecError, InputError
from imgrec.evaluation.aligned_results import AlignedResults
from imgrec.files import is_there, replacing, storage_errors, typed_path
from imgrec.formatting import percent
from imgrec.images import decoding
from imgrec.ui import caches, uploads
from imgrec.ui.benchmarks import image_maps
from imgrec.ui.benchmarks.image_maps import DrawnMap
from imgrec.ui.benchmarks.measurements import stored, title
from imgrec.ui.markdown import plain
from imgrec.ui.widget_keys import key_of

# Images on one page of a list.
SHOWN = 12

# Of a prediction: the first choices, and the true class if it is none of them.
FIRST = 3

# The long side of an image on a card, four of which fit on a screen.
IMAGE_PX = 224

ARCHIVES = ("zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz")

REMEMBERED = "image_folders.json"

# In the session: the archive of each dataset that was uploaded to a demo, and what was wrong with the last one given.
_UPLOADS = "bench_uploads"
_PROBLEM = "bench_images_problem"

# A probability that half precision stores as 0 or 1 is only below or above these.
_LEAST = float(np.finfo(np.float16).smallest_subnormal)
_MOST = 1 - float(np.finfo(np.float16).epsneg) / 2

Images = Mapping[str, bytes | np.ndarray]
Shown = tuple[bytes | np.ndarray, int]  # an image, and its width in px


@dataclass(frozen=True, slots=True)
class Source:
    """Where images are: `read` returns those with some of the `ids`."""

    place: str
    ids: Collection[str]
    read: Callable[[Collection[str]], Images]


def show(results: AlignedResults, places: Sequence[int], models: Sequence[str], key: str) -> None:
    """Show the images at these positions as cards, with the first choices of each of `models`.

    Where the images are not known, there is a place to add them above the cards.
    """
    if not places:
        st.caption("No images.")
        return
    source = find(results)
    if source is None:
        with st.container(border=True, key="bench_images_wanted"):
            st.markdown(
                ":material/add_photo_alternate: **Add the images to see them here.** They are not part of imgrec; "
                "files are matched to the predictions by name."
            )
            _fields(results)
    with st.container(horizontal=True, vertical_alignment="center"):
        pages = -(-len(places) // SHOWN)
        page = st.pagination(pages, key=key_of(f"{key}_page", results.name, len(places), places[0])) if pages > 1 else 1
        specs = image_maps.choose(models) if source is not None else ()
        if source is not None:
            st.space("stretch")
            label = f"{len(source.ids):,} of {results.images:,} images"
            with st.popover(label, icon=":material/photo_library:", type="tertiary"):
                if not caches.settings().demo:
                    st.caption(f"Read from {plain(source.place)}.")
                _fields(results)
    shown = list(places[((page or 1) - 1) * SHOWN :][:SHOWN])
    images: dict[str, Shown] = {}
    maps: dict[tuple[str, str], DrawnMap] = {}
    if source is not None:
        try:
            ids = tuple(results.ids[i] for i in shown if results.ids[i] in source.ids)
            changed_at = _changed_at(source.place)
            images = _thumbnails(source.place, changed_at, ids, source)
            if specs:
                # As the images were framed when the model was measured.
                keys = tuple((s.name, s.weights.hash, str(results.rows[s.name]["framing"])) for s in specs)
                maps = image_maps.draw(source.place, changed_at, ids, keys, source.read, specs)
        except ImgrecError as error:
            st.error(plain(str(error)), icon=":material/broken_image:")
    with st.grid(4, min_column_width=230):
        for i in shown:
            with st.container(border=True, gap="xsmall", height="stretch"):
                _card(results, i, models, images.get(results.ids[i]), maps)


def find(results: AlignedResults) -> Source | None:
    """Return where the images of `results` are; None where that is not known."""
    for place, has_all in _candidates(results):
        found = _look(results, place)
        if isinstance(found, Source) and (len(found.ids) >= results.images or not has_all):
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
    depth = max((len(PurePosixPath(name).parts) for name in ids), default=1)
    for parts in (depth, 1):
        if not found:
            ends = {name: PurePosixPath(name).parts[-parts:] for name in ids}
            files = {name.parts[-parts:]: name for name in names}
            wanted, have = Counter(ends.values()), Counter(name.parts[-parts:] for name in names)
            found = {name: files[end] for name, end in ends.items() if wanted[end] == have[end] == 1}
    return found


def remember(results: AlignedResults, place: str) -> None:
    """Read the images of `results` from `place` from now on; raises `InputError` if it has none of them."""
    found = _look(results, place)
    if isinstance(found, str):
        raise InputError(found)
    path = caches.settings().home / REMEMBERED
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_text(json.dumps(_remembered() | {str(results.about["digest"]): place}, indent=1))


def _candidates(results: AlignedResults) -> Iterator[tuple[str, bool]]:
    """Yield places to look at, and whether all images must be there, as in one that was given for another dataset."""
    name, digest, settings = str(results.about["name"]), str(results.about["digest"]), caches.settings()
    if digest in st.session_state.get(_UPLOADS, {}):
        yield str(st.session_state[_UPLOADS][digest].path), False
    if settings.demo:
        return
    given = _remembered()
    own = [Path(given[digest])] if digest in given else []
    own += [settings.home / "datasets" / end for end in (name, *(f"{name}.{suffix}" for suffix in ARCHIVES))]
    others = [path for place in dict.fromkeys(given.values()) for path in (Path(place), Path(place).parent / name)]
    others += [source] if (source := Path(str(results.about["source"]))).is_absolute() else []
    yield from ((str(path), False) for path in own if path.exists())
    if name in sources.DATASETS and any((settings.keras_home / "datasets").glob("cifar*10*")):
        yield name, True
    yield from ((str(path), True) for path in others if path.exists())


def _remembered() -> dict[str, str]:
    """Return the places given before, by the digest of their dataset; a broken file counts as empty."""
    try:
        found = json_files.read(caches.settings().home / REMEMBERED)
    except ImgrecError:
        return {}
    return found if json_files.fits(found, dict[str, str]) else {}


def _changed_at(place: str) -> int:
    """Return when a folder or archive was last changed; part of the keys of caches."""
    return Path(place).stat().st_mtime_ns if Path(place).exists() else 0


def _look(results: AlignedResults, place: str) -> Source | str:
    return _open(results, place, _changed_at(place))


@st.cache_resource(
    max_entries=16,
    show_spinner="Looking for the images",
    hash_funcs={AlignedResults: lambda results: (results.about["digest"], results.images)},
)
def _open(results: AlignedResults, place: str, changed_at: int) -> Source | str:
    """Return what of the dataset is at `place`, or a sentence on why nothing is."""
    try:
        if place in sources.DATASETS or place.endswith(".npz"):
            per_class = results.about.get("per_class")
            found = evaluation_split.open_evaluation_split(place, caches.settings(), per_class=per_class)
            if found.digest != results.about["digest"]:
                return f"{place} has other images than this dataset."
            return Source(place, frozenset(found.ids), found.images)
        path = typed_path(place)
        if not is_there(path):
            return f"There is no folder or file {place}. Check the spelling."
        files = match(results.ids, archives.survey(path).names)
    except ImgrecError as error:
        return str(error)
    if not files:
        return f"No file in {path.name} has the name of an image of this dataset, such as {results.ids[0]}."
    return Source(str(path), files.keys(), partial(_read_files, path, files))


def _read_files(path: Path, files: Mapping[str, PurePosixPath], ids: Collection[str]) -> Images:
    names = {files[name]: name for name in ids}
    found = archives.files(path, max_bytes=caches.settings().max_upload_bytes, only=set(names))
    return {names[name]: data for name, data in found if not isinstance(data, str)}


@st.cache_data(max_entries=64, show_spinner=False)
def _thumbnails(place: str, changed_at: int, ids: tuple[str, ...], _source: Source) -> dict[str, Shown]:
    """Return the images with these ids that can be decoded, as JPEG; arrays in whole multiples of their small size."""
    shown: dict[str, Shown] = {}
    for name, image in _source.read(ids).items():
        if isinstance(image, np.ndarray):
            # A browser would blur them.
            times = max(1, IMAGE_PX // max(image.shape[:2]))
            shown[name] = image.repeat(times, axis=0).repeat(times, axis=1), times * image.shape[1]
            continue
        try:
            decoded = decoding.decode(image, max_bytes=caches.settings().max_upload_bytes)
        except ImgrecError:
            continue  # the card is shown without its image
        height, width = decoded.pixels.shape[:2]
        shown[name] = decoding.thumbnail(decoded, IMAGE_PX), max(1, IMAGE_PX * width // max(height, width))
    return shown


def _card(
    results: AlignedResults,
    position: int,
    models: Sequence[str],
    image: Shown | None,
    maps: Mapping[tuple[str, str], DrawnMap],
) -> None:
    truth = int(results.target[position])
    if image is not None:
        st.image(image[0], width=image[1], alt=f"An image of the class {results.labels[truth]}")
    st.markdown(f"True: **{plain(results.labels[truth])}** :small[:gray[{plain(results.ids[position])}]]")
    for model in models:
        probabilities = stored(results, model).probabilities[position].astype(np.float64)
        first = np.argsort(-probabilities, kind="stable")[:FIRST].tolist()
        lines = [f":small[**{plain(title(results, model))}**]"]
        for i in dict.fromkeys([*first, truth]):
            share = percent(min(max(float(probabilities[i]), _LEAST), _MOST))
            lines.append(f":small[{'✓ ' if i == truth else ''}{plain(results.labels[i])} {share}]")
        st.markdown("  \n".join(lines))
        if (found := maps.get((results.ids[position], model))) is not None:
            words = f"{title(results, model)}, {found.label}: {found.words}"
            st.image(found.jpeg, f"Speaks for {plain(found.label)}", width=image[1] if image else IMAGE_PX, alt=words)


def _fields(results: AlignedResults) -> None:
    """Show an uploader for an archive of the images and, but for a public demo, a field for a path."""
    settings = caches.settings()
    limit = uploads.archive_limit_mib()
    digest = str(results.about["digest"])[:12]
    upload, folder = (st.container(), None) if settings.demo else st.columns(2, gap="medium")
    with upload:
        file = st.file_uploader(
            f"Drop a zip or tar of the images (at most {limit} MiB)",
            ["zip", "tar", "gz", "tgz", "bz2", "xz"],
            key=uploads.key_of(key_of("bench_images", digest)),
            max_upload_size=limit,
            help="It is kept for this visit only." if settings.demo else "It is kept in IMGREC_HOME, for later visits.",
        )
    if folder is not None:
        folder.text_input(
            "Or a folder, zip or tar on this machine",
            key=key_of("bench_folder", digest),
            placeholder="/data/imagenet_val",
            on_change=_remember_path,
            args=(results, key_of("bench_folder", digest)),
            help="It is read where it is, and remembered in IMGREC_HOME.",
        )
    problem = st.session_state.pop(_PROBLEM, None)
    if problem is not None:
        st.warning(plain(problem), icon=":material/folder_off:")
    if file is not None:
        _keep(results, file)
        uploads.empty(key_of("bench_images", digest), [file])
        st.rerun()


def _remember_path(results: AlignedResults, key: str) -> None:
    place = str(st.session_state[key]).strip()
    try:
        if place:
            remember(results, str(typed_path(place).absolute()))
    except ImgrecError as error:
        st.session_state[_PROBLEM] = str(error)


def _keep(results: AlignedResults, file: UploadedFile) -> None:
    """Store an uploaded archive that has images of the dataset: for the session in a demo, else in IMGREC_HOME."""
    settings, digest = caches.settings(), str(results.about["digest"])
    suffix = next((suffix for suffix in ARCHIVES if file.name.lower().endswith(f".{suffix}")), "zip")
    name = f"uploaded-{digest[:12]}.{suffix}"
    kept = _SessionFile(name) if settings.demo else None
    path = kept.path if kept else settings.home / "datasets" / name
    try:
        with storage_errors(path, file.size):
            path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, file.size) as beside:
            beside.write_bytes(file.getvalue())
            found = _look(results, str(beside))
            if isinstance(found, str):
                raise InputError(found.replace(beside.name, Path(file.name).name))
        if kept is not None:
            st.session_state.setdefault(_UPLOADS, {})[digest] = kept
        else:
            remember(results, str(path))
    except ImgrecError as error:
        st.session_state[_PROBLEM] = str(error)


class _SessionFile:
    """A file in a folder that is deleted with the session that holds this object."""

    def __init__(self, name: str) -> None:
        folder = tempfile.mkdtemp(prefix="imgrec-")
        self.path = Path(folder) / name
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
