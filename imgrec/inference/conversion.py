"""Weights → compiled network in the cache; a worker process (this module, run with -m) does the work.

A cache entry is a folder `IMGREC_HOME/compiled/<model>-<key>/` with `model.xml` and `model.bin` (OpenVINO's format,
normalization folded in, float32), for small networks a blob that OpenVINO adds when it loads them first, and
`manifest.json`, which holds their sizes and sha256. It is written beside and renamed into place; one that differs from
its manifest is built again. The key depends on the weights, the row of the catalog and the versions of the libraries,
so an entry never has to be invalidated; entries of old versions may be deleted by hand at any time.

The worker has Keras on its OpenVINO backend and no TensorFlow. The twin of a model is made of the compiled network of
its original (see `quantization`), and is an entry of its own.
"""

import functools
import hashlib
import importlib.metadata
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from imgrec import extras, json_files
from imgrec.errors import (
    BusyError,
    ConversionError,
    EngineError,
    ImgrecError,
    InputError,
    MissingExtraError,
    StorageError,
)
from imgrec.files import check_disk, sha256_of, sole_holder, storage_errors
from imgrec.images.preprocessing import PREPROCESS
from imgrec.inference import child_process, quantization
from imgrec.models import ir_file, model_file, weights
from imgrec.models.catalog import ModelSpec, spec_from_json
from imgrec.settings import MIB, Settings

# Counted up whenever `fold` or the building of networks changes what a graph computes.
GRAPH_VERSION = 2

# The largest networks take one to two minutes on two cores.
TIMEOUT_S = 15 * 60.0

# For so long a twin that could not be made is not tried again by itself: a full disk or too little memory may pass.
REFUSAL_S = 24 * 3600.0

# The suffix of an added model's network, which is OpenVINO's already.
IMPORTED = ".zip"

# The arguments of Python that start the worker process.
WORKER = ("-m", "imgrec.inference.conversion")

# Keras, OpenVINO and their imports; besides, the weights are held about three times (loaded, exported, compiled).
WORKER_BYTES = 400 * MIB
WORKER_COPIES = 3

# What a worker may allocate beyond copies of its weights; measured for MobileNet: 330 MiB on two cores. Each thread
# reserves a stack and buffers.
WORKER_RESERVE_BYTES = 800 * MIB
THREAD_BYTES = 16 * MIB

# The processor time for a network of a user's own, whose description decides how long it takes to build: with so many
# seconds for each MiB of weights. Measured: 2.6 s for the 3 MiB of cifar_dense.
WORKER_CPU_S = 20.0
WORKER_CPU_S_PER_MIB = 2.0

# Besides twice the weights (as Keras exports them, then folded; or folded, and as a blob): the graphs themselves.
HEADROOM_BYTES = 32 * MIB

# Named on the progress line in this order; "waiting" only while another process converts the same network.
STAGES = ("waiting", "building", "folding", "quantizing", "checking")

OnProgress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The expected content of a cache entry.

    `files` is name → (bytes, sha256); `memory_bytes` the measured anonymous memory of the loaded network. Of a twin,
    `milliseconds` are the medians of it and of its original by precision, as they were when it was made. The rest is
    its origin, for people.
    """

    model: str
    weights_sha256: str
    versions: dict[str, str]
    memory_bytes: int
    files: dict[str, tuple[int, str]]
    milliseconds: dict[str, float] = field(default_factory=dict)


def compiled_path(spec: ModelSpec, weights_sha256: str, settings: Settings) -> Path:
    """Return where the compiled network of `spec` with these weights is, or will be: the path of its `model.xml`."""
    parts = {
        "architecture": spec.architecture,
        "arguments": dict(spec.arguments),
        "input_size": spec.input_size,
        "preprocess": spec.preprocess,
        "weights": weights_sha256,
        "versions": versions(),
    }
    if spec.is_compact:
        parts["quantization"] = quantization.key(spec, settings)
    key = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
    return settings.home / "compiled" / f"{spec.name}-{key}" / "model.xml"


def convert(
    spec: ModelSpec, weights_path: Path, settings: Settings, on_progress: OnProgress = lambda stage: None
) -> Path:
    """Return the path of the compiled network of `spec` with the weights in `weights_path`; built unless it is there.

    One of all threads and processes converts, the others wait. `on_progress` gets each of `STAGES` as it begins; what
    it raises ends the conversion.

    Of a twin, the original is converted first.

    Raises:
        CorruptWeightsError: The file is not what the network needs.
        ConversionError: The network cannot be converted, or not quantized.
        InputError: There are too few calibration images.
        StorageError: The disk is full or cannot be written.
        BusyError: Another process converts the same network for longer than `TIMEOUT_S`.
    """
    weights_sha256 = sha256_of(weights_path)
    weights.check_digest(weights_path, weights_sha256, spec, settings)
    path = compiled_path(spec, weights_sha256, settings)
    if read_intact(path) is not None:
        return path
    give_up_at = time.monotonic() + TIMEOUT_S

    def wait() -> None:
        on_progress("waiting")
        if time.monotonic() > give_up_at:
            minutes = f"{TIMEOUT_S / 60:.0f} min"
            raise BusyError(f"Another process has been converting {spec.name} for {minutes}. Try again later.")

    exact = convert(spec.exact(), weights_path, settings, on_progress) if spec.is_compact else None

    def make(folder: Path) -> tuple[int, quantization.Timings]:
        if exact is None:
            return _run_worker(spec, weights_path, folder, on_progress), {}
        return quantization.quantize(spec, exact, folder, settings, on_progress)

    # Not `with_suffix`: a twin's name has a dot.
    with sole_holder(path.parent.with_name(f"{path.parent.name}.lock"), wait):
        if read_intact(path) is None:
            try:
                _build(spec, weights_path, weights_sha256, path, make)
            except (ConversionError, InputError, StorageError) as error:
                # Without NNCF there was no attempt. On a full disk there may be no room for the reason either.
                if spec.is_compact and not isinstance(error, MissingExtraError):
                    with suppress(OSError):
                        _refusal_path(path).write_text(str(error), encoding="utf-8")
                raise
            with suppress(OSError):
                _refusal_path(path).unlink(missing_ok=True)
    return path


def read_manifest(path: Path) -> Manifest | None:
    """Return the manifest of the entry that holds `path`; None when there is none that can be read."""
    try:
        file = path.parent / "manifest.json"
        found = json_files.to_row(Manifest, json_files.read(file), str(file))
    except ImgrecError:
        return None
    return replace(found, files={name: (size, digest) for name, (size, digest) in found.files.items()})


def read_intact(path: Path) -> Manifest | None:
    """As `read_manifest`, but None also when a file of the entry is not what the manifest says.

    Reads all of it (0.3 s for the half gigabyte of VGG16): a flipped bit would give wrong answers, silently.
    """
    manifest = read_manifest(path)
    if manifest is None or path.name not in manifest.files:
        return None
    try:
        actual = _describe(path.parent)
    except (OSError, ImgrecError):
        return None
    return manifest if all(actual.get(name) == entry for name, entry in manifest.files.items()) else None


def find_memory_bytes(spec: ModelSpec, settings: Settings) -> int | None:
    """Return what the network of `spec` was measured to take, whichever weights it was compiled from; None if never."""
    return max((manifest.memory_bytes for manifest in _manifests(spec, settings)), default=None)


def find_milliseconds(spec: ModelSpec, settings: Settings) -> quantization.Timings | None:
    """Return how long the twin of `spec` and its original took when it was made; None if it never was."""
    return next((one.milliseconds for one in _manifests(spec.compact(), settings) if one.milliseconds), None)


def find_refusal(spec: ModelSpec, settings: Settings) -> str | None:
    """Return why the twin `spec` cannot be had of the weights on this machine; None where it can, or was not tried.

    What was tried in vain within a day is not tried again for those that have not asked for it.
    """
    digest = weights.sha256(spec, settings)
    if digest is None:
        return None
    try:
        path = compiled_path(spec, digest, settings)
    except StorageError as error:  # such as a folder of calibration images that is not there
        return str(error)
    if read_manifest(path) is not None:
        return None
    if names := extras.missing("int8"):
        return f"{spec.title} is not on this machine, and without {' and '.join(names)} it cannot be made here."
    refusal = _refusal_path(path)
    try:
        is_recent = time.time() - refusal.stat().st_mtime < REFUSAL_S
        return refusal.read_text(encoding="utf-8") if is_recent else None
    except OSError:
        return None


def _refusal_path(path: Path) -> Path:
    return path.parent.with_name(f"{path.parent.name}.refused")


def _manifests(spec: ModelSpec, settings: Settings) -> list[Manifest]:
    found = (read_manifest(path) for path in (settings.home / "compiled").glob(f"{spec.name}-*/model.xml"))
    return [manifest for manifest in found if manifest is not None]


def discard(path: Path) -> None:
    """Delete the entry that holds `path`, so that the next `convert` builds it again."""
    with storage_errors(path):
        (path.parent / "manifest.json").unlink(missing_ok=True)


@functools.cache
def versions() -> dict[str, str]:
    """Return what a compiled network depends on, besides its weights."""
    return {"graph": str(GRAPH_VERSION)} | {name: importlib.metadata.version(name) for name in ("keras", "openvino")}


def _describe(folder: Path) -> dict[str, tuple[int, str]]:
    """Return (bytes, sha256) of each file in `folder` that a network is loaded from."""
    files = sorted([*folder.glob("model.*"), *folder.glob("*.blob")])
    return {file.name: (file.stat().st_size, sha256_of(file)) for file in files}


def _build(
    spec: ModelSpec,
    weights_path: Path,
    weights_sha256: str,
    path: Path,
    make: Callable[[Path], tuple[int, quantization.Timings]],
) -> None:
    """Make the entry beside its place and rename it; the caller holds the lock.

    `make` writes `model.xml` and `model.bin` into a folder, and returns the network's memory in bytes and its timings.
    """
    model_file.check(weights_path)  # the worker does so, too, but takes seconds to start
    part = path.parent.with_name(f"{path.parent.name}.part")
    with storage_errors(part):
        shutil.rmtree(part, ignore_errors=True)  # of a conversion that was killed
        check_disk(part.parent, 2 * 4 * spec.parameters + HEADROOM_BYTES, f" to convert {spec.name}")
        part.mkdir()
    try:
        memory_bytes, milliseconds = make(part)
        with storage_errors(part):
            for file in part.iterdir():
                file.chmod(0o644)  # OpenVINO makes its blobs readable by their owner only
            manifest = Manifest(spec.name, weights_sha256, versions(), memory_bytes, _describe(part), milliseconds)
            (part / "manifest.json").write_text(json.dumps(asdict(manifest), indent=2) + "\n")
            shutil.rmtree(path.parent, ignore_errors=True)  # one that was not intact
            part.rename(path.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _run_worker(spec: ModelSpec, weights_path: Path, folder: Path, on_progress: OnProgress) -> int:
    """Have a worker write `model.xml` and `model.bin` into `folder`; returns the network's memory in bytes."""
    answer = child_process.ask(
        WORKER,
        {"spec": spec.to_json(), "weights_path": str(weights_path.resolve()), "folder": str(folder.resolve())},
        backend="openvino",
        timeout_s=TIMEOUT_S,
        purpose=f"{spec.name} to be converted",
        memory_bytes=WORKER_BYTES + WORKER_COPIES * 4 * spec.parameters,
        last_key="memory_bytes",
        on_answer=lambda answer: on_progress(str(answer["stage"])) if "stage" in answer else None,
    )
    return int(str(answer["memory_bytes"]))


def _work(request: dict[str, Any], tell: child_process.Tell) -> None:
    """Run in the worker: answer with each stage, and at last with `memory_bytes`."""
    folder = Path(request["folder"])
    limit(Path(request["weights_path"]))
    try:
        tell(memory_bytes=_convert(spec_from_json(request["spec"]), Path(request["weights_path"]), folder, tell))
    except (OSError, RuntimeError) as error:
        # OpenVINO gives no reason for a failed write.
        if shutil.disk_usage(folder).free > MIB:
            raise
        raise StorageError(f"Expected more room in {folder.parent}. Received: a full disk.") from error


def limit(weights_path: Path) -> None:
    """Run in a worker: allow it the memory and the processor time that the network in `weights_path` can need."""
    with storage_errors(weights_path):
        size_bytes = weights_path.stat().st_size
    limit_for(size_bytes, has_description=weights_path.suffix in (".keras", IMPORTED))


def limit_for(size_bytes: int, *, has_description: bool, written_bytes: int | None = None) -> None:
    """Run in a worker: allow it what weights of this size can need; `written_bytes` is the most in one file.

    The processor time is limited where the file describes its network, and so decides how much there is to do.
    """
    processor_s = WORKER_CPU_S + WORKER_CPU_S_PER_MIB * size_bytes / MIB
    memory_bytes = WORKER_RESERVE_BYTES + THREAD_BYTES * (os.cpu_count() or 1) + 2 * WORKER_COPIES * size_bytes
    child_process.limit(memory_bytes, processor_s if has_description else None, written_bytes)


@contextmanager
def keras_without_tensorflow() -> Iterator[None]:
    """Have Keras imported within the block quickly, on its OpenVINO backend, which asks for no SciPy there."""
    from imgrec.inference import openvino_engine

    openvino_engine.runtime()  # before Keras imports it
    # Keras imports both of these at once: tables, and SciPy, 140 MB, for the windows of sound that no image has.
    with openvino_engine.hidden("tensorflow"), openvino_engine.hidden("pandas"), _empty("scipy", "scipy.signal"):
        yield


def _convert(spec: ModelSpec, weights_path: Path, folder: Path, tell: Callable[..., None]) -> int:
    """Build, export, fold and try the network; returns its memory in bytes."""
    from imgrec.inference import openvino_engine

    tell(stage="building")
    exported = folder / "exported.xml"
    if weights_path.suffix == IMPORTED:
        ir_file.unpack(weights_path, exported)
    else:
        with keras_without_tensorflow():
            from imgrec.inference import keras_networks

            keras_networks.load(spec, weights_path).export(str(exported), format="openvino", verbose=False)
    tell(stage="folding")
    path = folder / "model.xml"
    openvino_engine.fold(exported, PREPROCESS[spec.preprocess], spec.input_size, path)
    for file in (exported, exported.with_suffix(".bin")):
        file.unlink()
    tell(stage="checking")
    try:
        return openvino_engine.measure(path)
    except EngineError as error:
        raise ConversionError(f"{spec.name} was converted, but does not run: {error}") from error


@contextmanager
def _empty(*names: str) -> Iterator[None]:
    """Have the modules called `names`, which are never used, imported as empty ones within the block."""
    added = {name: ModuleType(name) for name in names if name not in sys.modules}
    sys.modules.update(added)
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


if __name__ == "__main__":
    child_process.serve(_work)
