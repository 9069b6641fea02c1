"""A model file, checked before any library reads it: a network of Keras' own layers, and arrays of numbers, or refused.

    <name>.keras          a zip
    ├── metadata.json
    ├── config.json       the layers
    └── model.weights.h5  HDF5: their arrays
    <name>.h5             the arrays alone

`check` reads what the file says of itself, in any process. `check_arrays` opens HDF5, whose library is in C and may be
led astray by a damaged file: for a process of its own. Every model file goes through both before Keras sees it. The
third format, `.pth`, is read by `torch_checkpoint`, without a library.
"""

import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from imgrec.errors import CorruptWeightsError
from imgrec.files import opened
from imgrec.models import ir_file
from imgrec.settings import MIB

if TYPE_CHECKING:
    import h5py

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"

# NASNetLarge, the largest of Keras' own networks, has 1 MB in 1,000 layers.
MAX_CONFIG_BYTES = 8 * MIB
MAX_LAYERS = 3000
MAX_DEPTH = 60

# Weights can hardly be compressed; what grows more than this was made to.
MAX_EXPANSION = 20
# Files smaller than this may hold arrays that were compressed well.
FREE_BYTES = 1 * MIB

MAX_OBJECTS = 50_000

# Where the classes in a description may be from. Operations are written with Keras' inner modules.
MODULES = ("keras.layers", "keras.initializers", "keras.regularizers", "keras.constraints", "keras.models", "keras")
INNER_MODULES = ("keras.src.models.functional", "keras.src.models.sequential", "keras.src.ops.")

# Layers that run code, or read files that their description names.
REFUSED_LAYERS = frozenset(
    {
        "Lambda",
        "TFSMLayer",
        "TorchModuleWrapper",
        "JaxLayer",
        "FlaxLayer",
        "StringLookup",
        "IntegerLookup",
        "IndexLookup",
        "TextVectorization",
        "Discretization",
        "HashedCrossing",
        "Hashing",
        "FeatureSpace",
    }
)


def check(path: Path) -> None:
    """Raise `CorruptWeightsError` unless `path` describes a network of Keras' own layers.

    Of an added model's `.zip`, that it holds OpenVINO's own operations and their arrays; of a file of weights alone,
    only that it is a file. Raises `InputError` and `StorageError` as `files.opened`.
    """
    if path.suffix == ".keras":
        read_config(path)
    elif path.suffix == ".zip":
        ir_file.check_pack(path)
    else:
        with opened(path):
            pass


def read_config(path: Path) -> dict[str, Any]:
    """Return the description of the network in the `.keras` file at `path`; raises as `check`."""
    config = _read_member(path, CONFIG)
    try:
        described = json.loads(config)
    except (ValueError, RecursionError) as error:
        raise _refusal(path, "a Keras model", f"{type(error).__name__}, {str(error)[:200]}") from error
    _check_config(path, described)
    return dict(described)


def read_hdf5_config(path: Path) -> dict[str, Any]:
    """Return the description of the network in the `.h5` file at `path`, which Keras wrote as a whole model.

    Opens HDF5: for a process of its own, after `check_arrays`. Raises as `check`, also on a file of weights alone.
    """
    import h5py  # 0.1 s

    with opened(path) as file:
        try:
            with h5py.File(file, "r") as root:
                described = root.attrs.get("model_config")
        # h5py raises any of these on a damaged file.
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise _refusal(path, "a Keras model in HDF5", f"{type(error).__name__}, {str(error)[:200]}") from error
    if not isinstance(described, str | bytes):
        raise _refusal(path, "a whole Keras model", "weights alone; model.save writes the network with them")
    if len(described) > MAX_CONFIG_BYTES:
        raise _refusal(path, f"a description of at most {MAX_CONFIG_BYTES:,} bytes", f"{len(described):,}")
    try:
        config = json.loads(described)
    except (ValueError, RecursionError) as error:
        raise _refusal(path, "a Keras model", f"{type(error).__name__}, {str(error)[:200]}") from error
    _check_config(path, config, of_keras_2=True)
    return dict(config)


def check_arrays(path: Path) -> int:
    """Return the bytes of all arrays in the `.keras` or `.h5` file at `path`.

    Raises:
        CorruptWeightsError: It is no HDF5, has links to other files, arrays of other things than numbers, or such
            that are declared without being there.
        InputError, StorageError: As `files.opened`.
    """
    if path.suffix == ".keras":
        return _check_hdf5(path, io.BytesIO(_read_member(path, WEIGHTS)))
    with opened(path) as file:
        return _check_hdf5(path, file)


def _read_member(path: Path, name: str) -> bytes:
    """Return one file of a `.keras` archive, all of whose files were checked."""
    with opened(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _check_members(path, archive)
                return archive.read(name)
        # zipfile raises any of these on a damaged archive.
        except (zipfile.BadZipFile, NotImplementedError, KeyError, EOFError, RuntimeError, ValueError) as error:
            raise _refusal(path, "a Keras model", f"{type(error).__name__}, {str(error)[:200]}") from error


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    known = {CONFIG, WEIGHTS, METADATA}
    if set(names) - known or len(set(names)) < len(names) or CONFIG not in names:
        raise _refusal(path, f"an archive of {', '.join(sorted(known))}", ", ".join(map(repr, names[:5]))[:200])
    total = os.fstat(archive.fp.fileno()).st_size if archive.fp is not None else 0
    for member in members:
        limit = MAX_CONFIG_BYTES if member.filename != WEIGHTS else max(FREE_BYTES, MAX_EXPANSION * total)
        if member.file_size > limit or member.compress_size > total:
            size = f"{member.filename} with {member.file_size:,} bytes in a file of {total:,}"
            raise _refusal(path, f"at most {limit:,} bytes in {member.filename}", size)


def _check_config(path: Path, config: Any, *, of_keras_2: bool = False) -> None:
    """Check that every object in a description is of a class that only computes.

    Keras 2 gave the names of its classes alone, and Keras looks those up among its own.
    """
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict) or "class_name" not in config:
        raise _refusal(path, "a Keras model", "a description of something else")
    if not isinstance(config["config"].get("layers"), list):
        raise _refusal(path, "a network of layers", f"a {str(config['class_name'])[:80]}")
    layers = 0
    for object in _objects(path, config):
        module, name = object.get("module"), object.get("class_name")
        layers += "inbound_nodes" in object or "build_config" in object
        if layers > MAX_LAYERS:
            raise _refusal(path, f"at most {MAX_LAYERS:,} layers", "more")
        if name is None and module is None:
            continue
        if not (isinstance(name, str) and (module is None or isinstance(module, str))):
            raise _refusal(path, "names of classes", "something else")
        own = of_keras_2 and module is None and name.isidentifier() and "lambda" not in name.lower()
        if name in REFUSED_LAYERS or not (own or _is_known(module, name)):
            shown = name if module is None else f"{module}.{name}"
            raise _refusal(path, "Keras' own layers, which only compute", shown[:200])


def _objects(path: Path, config: Any) -> Iterator[dict[str, Any]]:
    """Yield each JSON object below `config`."""
    waiting = [(config, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise _refusal(path, f"a description with at most {MAX_DEPTH} levels", "more")
        if isinstance(value, dict):
            yield value
            waiting.extend((below, depth + 1) for below in value.values())
        elif isinstance(value, list):
            waiting.extend((below, depth + 1) for below in value)


def _is_known(module: str | None, name: str) -> bool:
    if module is None:  # tensors, slices and the like
        return name.startswith("__") and name != "__lambda__"
    return name != "function" and (module in MODULES or module.startswith(INNER_MODULES))


def _check_hdf5(path: Path, file: BinaryIO) -> int:
    import h5py  # 0.1 s

    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        with h5py.File(file, "r") as opened:
            return _check_group(path, opened, size_bytes)
    # h5py raises any of these on a damaged file.
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _refusal(path, "arrays in HDF5", first_line[:200]) from error


def _check_group(path: Path, root: "h5py.Group", size_bytes: int) -> int:
    import h5py

    seen: set[int] = set()
    waiting, total = [root], 0
    while waiting:
        group = waiting.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:  # a group within itself
            continue
        seen.add(address)
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise _refusal(path, "arrays in the file itself", f"a link at {group.name}/{name}"[:200])
            child = group[name]
            if isinstance(child, h5py.Group):
                waiting.append(child)
            elif isinstance(child, h5py.Dataset):
                total += _check_dataset(path, child)
            else:
                raise _refusal(path, "arrays and groups", type(child).__name__)
            if len(seen) + len(waiting) > MAX_OBJECTS:
                raise _refusal(path, f"at most {MAX_OBJECTS:,} groups", "more")
            if total > max(FREE_BYTES, MAX_EXPANSION * size_bytes):
                raise _refusal(path, "arrays that are in the file", f"{total:,} bytes declared in {size_bytes:,}")
    return total


def _check_dataset(path: Path, dataset: "h5py.Dataset") -> int:
    if dataset.external or dataset.is_virtual:
        raise _refusal(path, "arrays in the file itself", f"{dataset.name} in another file"[:200])
    if dataset.dtype.kind not in "fiub":
        raise _refusal(path, "arrays of numbers", f"{dataset.name} of {dataset.dtype}"[:200])
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > max(FREE_BYTES, MAX_EXPANSION * stored):
        raise _refusal(
            path, "arrays that are in the file", f"{dataset.name}: {dataset.nbytes:,} bytes, {stored:,} there"
        )
    return int(dataset.nbytes)


def _refusal(path: Path, expected: str, received: str) -> CorruptWeightsError:
    return CorruptWeightsError(f"Expected {expected} in {path}. Received: {received}.")
