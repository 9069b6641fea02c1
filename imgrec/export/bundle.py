"""A model as files that run without imgrec: network, labels, card, and a short script for each format.

    cifar_vgg/                    or one zip of the same
    ├── README.txt                what this is, and the command to run
    ├── predict_openvino.py       image → the five most probable classes; needs numpy, pillow and the format's runtime
    ├── model.xml, model.bin      the network, in each chosen format: see `scripts.FORMATS`
    ├── labels.txt                one class a line, in the order of the network's outputs
    └── card.json                 the model card, and of a compact twin what it loses

What needs Keras or TensorFlow happens in a worker process (`export_worker`). No exported file names a folder of this
machine.
"""

import hashlib
import importlib.util
import json
import logging
import os
import re
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from imgrec import __version__
from imgrec.errors import BusyError, ImgrecError, InputError, MemoryBudgetError, UnknownNameError
from imgrec.export import scripts
from imgrec.export.scripts import FORMATS
from imgrec.files import check_disk, storage_errors
from imgrec.inference import calibration_images, child_process, conversion, quantization
from imgrec.inference.preparation import Preparation, Preparations
from imgrec.models import cards, weights
from imgrec.models.catalog import ModelSpec
from imgrec.settings import MIB, Settings, available_memory_bytes

# The arguments of Python that start the worker process.
WORKER = ("-m", "imgrec.export.export_worker")

# The largest networks take minutes in TensorFlow's converters.
TIMEOUT_S = 15 * 60.0

# Packages beyond the requirements of a server.
EXTRAS = {"onnx": ("tensorflow", "tf2onnx", "onnx"), "litert": ("tensorflow",)}

# TensorFlow, and the copies of the weights that its converters hold. Measured at their peak, ONNX and LiteRT: MobileNet
# (16 MiB of weights) 1.8 and 1.0 GB, ResNet50 (97 MiB) 6.2 and 1.8 GB.
RUNTIME_BYTES = 1000 * MIB
COPIES = {"onnx": 58, "litert": 11}

# An older zip is deleted at the next export: it is as large as its model, and quickly made again.
KEEP_S = 24 * 3600.0

# The share of an export before the first format is written.
_START = 0.05

# The path of a file; addresses (https://…) do not match.
_PATH = re.compile(r"(?<![\w:/.~])~?/(?:[^\s/'\"]+/)+([^\s/'\"]*)")

# The card in an export, and its field with what is known of a compact twin.
CARD, COMPACT = "card.json", "compact"

_log = logging.getLogger(__name__)

Files = dict[str, Path]
OnProgress = Callable[[float, str], None]

# Makes a twin, and returns what its card says of it, as JSON fields.
Describe = Callable[[ModelSpec, OnProgress], dict[str, Any]]


def export(
    spec: ModelSpec,
    formats: Sequence[str],
    target: Path,
    settings: Settings,
    *,
    preparations: Preparations | None = None,
    on_progress: OnProgress | None = None,
    describe: Describe | None = None,
) -> Path:
    """Write the model completely or not at all.

    Args:
        spec: The model.
        formats: Keys of `scripts.FORMATS`.
        target: A folder that does not exist or is empty, or the path of a zip.
        settings: Where weights are found and temporary files are kept.
        preparations: What converts the model; by default a new one.
        on_progress: Is called with the finished share, in [0, 1], and the next step. What it raises ends the export.
        describe: Is called for a compact twin before all else.

    Returns:
        `target`.

    Raises:
        UnknownNameError: A format is unknown.
        InputError: `target` has content, a package is missing, or the model cannot be had in a format.
        MemoryBudgetError: A converter needs more memory than there is.
        ImgrecError: The model cannot be fetched or converted.
    """
    formats = check_formats(formats)
    if (reason := _why_openvino_alone(spec)) and formats != ("openvino",):
        raise InputError(f"Expected the format openvino: {spec.title} {reason}. Received: {', '.join(formats)}.")
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise InputError(f"Expected a place where nothing is yet. Received: {target}, which is there.")
    size_bytes = len(formats) * 4 * spec.parameters + MIB
    check_disk(settings.home, size_bytes)
    check_disk(target, size_bytes)
    show = on_progress or (lambda share, step: None)
    with _temporary_folder(spec, settings) as folder:
        facts = describe(spec, show) if spec.is_compact and describe is not None else {}
        files = _networks(spec, formats, folder, settings, preparations or Preparations(settings), show)
        for name, text in _texts(spec, formats, settings, facts).items():
            files[name] = folder / name
            files[name].write_text(text, encoding="utf-8")
        show(1.0, "putting it together")
        _write(files, target, spec.name)
    return target


def _why_openvino_alone(spec: ModelSpec) -> str:
    """Return why a model cannot be had in the other formats; "" where it can."""
    if spec.weights.filename.endswith(conversion.IMPORTED):
        return "was added from a file, and is kept in that format alone"
    return "is in 8-bit integers, which the others would not keep" if spec.is_compact else ""


def check_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """Return `formats` in the order of `FORMATS`, each once.

    Raises:
        UnknownNameError: A format is unknown.
        InputError: There is none, or one needs a package that is not installed.
    """
    for name in formats:
        if name not in FORMATS:
            raise UnknownNameError.of("format", name, list(FORMATS))
    if not formats:
        raise InputError(f"Expected at least one format of {', '.join(FORMATS)}. Received: none.")
    for name in formats:
        missing = [package for package in EXTRAS.get(name, ()) if importlib.util.find_spec(package) is None]
        if missing:
            raise InputError(
                f"Expected {' and '.join(missing)} on this machine to write {FORMATS[name].title}. "
                f"Received: none; pip install {' '.join(missing)}."
            )
    return tuple(name for name in FORMATS if name in formats)


def _networks(
    spec: ModelSpec,
    formats: Sequence[str],
    folder: Path,
    settings: Settings,
    preparations: Preparations,
    show: OnProgress,
) -> Files:
    """Return the files of each format by name; a missing one is made in `folder`."""
    files: Files = {}
    show(0.0, "looking for the weights")
    if "openvino" in formats:

        def report(preparation: Preparation) -> None:
            if not preparation.over:
                show(0.0, ", ".join(filter(None, (preparation.stage, preparation.step))))

        compiled = preparations.ensure(spec, report)
        files |= {name: compiled.with_name(name) for name in FORMATS["openvino"].files}
    path = weights.fetch(spec, settings)
    left = [name for name in formats if name != "openvino"]
    if "keras" in left and path.suffix == ".keras":
        files[FORMATS["keras"].files[0]] = path
        left.remove("keras")
    if left:
        _run_worker(spec, left, path, folder, show)
        files |= {file: folder / file for name in left for file in FORMATS[name].files}
    return files


def _run_worker(spec: ModelSpec, formats: Sequence[str], weights_path: Path, folder: Path, show: OnProgress) -> None:
    backend = "tensorflow" if set(formats) & EXTRAS.keys() else "openvino"
    needed = RUNTIME_BYTES + max(COPIES.get(name, 3) for name in formats) * 4 * spec.parameters
    usable = available_memory_bytes()
    titles = " and ".join(FORMATS[name].title for name in formats)
    if backend == "tensorflow" and usable < needed:
        raise MemoryBudgetError(
            f"Expected about {needed / MIB:,.0f} MiB of memory to write {spec.name} as {titles}. "
            f"Received: {usable / MIB:,.0f} MiB; OpenVINO and Keras need less."
        )

    def on_answer(answer: dict[str, object]) -> None:
        if "format" in answer:
            name = str(answer["format"])
            show(_START + (1 - _START) * formats.index(name) / len(formats), f"writing {FORMATS[name].title}")

    show(_START, "starting Keras")
    child_process.ask(
        WORKER,
        {
            "spec": spec.to_json(),
            "weights_path": str(weights_path.resolve()),
            "folder": str(folder.resolve()),
            "formats": list(formats),
        },
        backend=backend,
        timeout_s=TIMEOUT_S,
        purpose=f"{spec.name} to be written as {titles}",
        memory_bytes=needed,
        last_key="done",
        on_answer=on_answer,
    )


def _texts(spec: ModelSpec, formats: Sequence[str], settings: Settings, facts: dict[str, Any]) -> dict[str, str]:
    space = spec.get_label_space()
    card = cards.find(spec.exact().name, settings)
    fields = spec.to_json() if card is None else dict(card.fields)
    if spec.is_compact:
        fields |= {COMPACT: facts}
        if card is not None:
            fields["model"] = fields["model"] | {"name": spec.name, "title": spec.title}
    texts = {
        "README.txt": scripts.readme(spec, space, formats),
        "labels.txt": scripts.labels(space),
        CARD: json.dumps(shareable(fields), indent=1) + "\n",
    }
    return texts | {scripts.file_name(name): scripts.script(spec, name) for name in formats}


def read_facts(path: Path) -> dict[str, Any]:
    """Return what the card in the zip of an export says of a compact twin; empty where it says nothing.

    Raises `ImgrecError` where it is no such zip.
    """
    with storage_errors(path):
        try:
            with zipfile.ZipFile(path) as archive:
                [name] = [name for name in archive.namelist() if name.endswith(f"/{CARD}")]
                return dict(json.loads(archive.read(name)).get(COMPACT, {}))
        except (zipfile.BadZipFile, ValueError) as error:
            raise InputError(f"Expected an export with a card at {path}. Received: another file; delete it.") from error


def shareable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a model card without the folders of this machine."""
    return {name: value if name == "classes" else without_paths(value) for name, value in fields.items()}


def without_paths(value: Any) -> Any:
    """Return the JSON `value` with each path cut to its last part: folders name people and machines."""
    if isinstance(value, Mapping):
        return {key: without_paths(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(part) for part in value]
    if not isinstance(value, str):
        return value
    if PureWindowsPath(value).is_absolute():
        return PureWindowsPath(value).name
    if value.startswith(("/", "~")):
        return PurePosixPath(value).name
    return _PATH.sub(r"\1", value)


@contextmanager
def _temporary_folder(spec: ModelSpec, settings: Settings) -> Iterator[Path]:
    """Yield an empty folder, held by one export of this model at a time."""
    import filelock  # 20 ms

    folder = settings.home / "exports" / f"{spec.name}.part"
    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock = filelock.FileLock(folder.with_suffix(".lock"), timeout=TIMEOUT_S, thread_local=False).acquire()
        except filelock.Timeout as error:
            raise BusyError(f"{spec.name} is being exported by another process. Try again later.") from error
    with lock, storage_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)  # of a killed export
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _write(files: Files, target: Path, name: str) -> None:
    """Write `files` as the folder or the zip `target`: beside it first, then renamed."""
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if target.suffix == ".zip":
                # Stored, not compressed: weights do not get smaller.
                with zipfile.ZipFile(part, "w", strict_timestamps=False) as archive:
                    for file, path in files.items():
                        archive.write(path, f"{name}/{file}")
            else:
                part.mkdir()
                for file, path in files.items():
                    shutil.copyfile(path, part / file)
            part.replace(target)  # an empty folder may be replaced, too
        finally:
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)


@dataclass(eq=False, slots=True)
class Export:
    """An export in the background; any thread may read it.

    `share` in [0, 1] and `words` are its progress; `error` is an `ImgrecError`, a bug, or None.
    """

    path: Path
    share: float = 0.0
    words: str = "waiting for its turn"
    error: Exception | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        """Whether it has finished or failed."""
        return self._over.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is over, and return whether it is."""
        return self._over.wait(timeout_s)


class Exports:
    """The exports of a process, one after another: each may take a gigabyte. Any thread may call its methods.

    An export continues when the page is left, and equal requests share it.
    """

    def __init__(self, settings: Settings, preparations: Preparations, describe: Describe | None = None) -> None:
        self._settings = settings
        self._describe = describe
        self._preparations = preparations
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._latest: dict[Path, Export] = {}

    def find(self, spec: ModelSpec, formats: Sequence[str]) -> Path | None:
        """Return the finished zip, of this or an earlier process; None without one."""
        path = self._path(spec, formats)
        return path if path is not None and path.is_file() else None

    def get(self, spec: ModelSpec, formats: Sequence[str]) -> Export | None:
        """Return the latest export of `spec` in these formats, under way or over; None without one."""
        path = self._path(spec, formats)
        with self._lock:
            return None if path is None else self._latest.get(path)

    def start(self, spec: ModelSpec, formats: Sequence[str]) -> Export:
        """Return the export under way, or start one. Raises as `check_formats`, and `InputError` without weights."""
        check_formats(formats)
        path = self._path(spec, formats)
        if path is None:
            raise InputError(f"Expected the weights of {spec.title} on this machine. Received: none.")
        with self._lock:
            latest = self._latest.get(path)
            if latest is not None and not latest.over:
                return latest
            started = self._latest[path] = Export(path)
        # A daemon: the end of the process does not wait. The worker ends by itself, and no partial file stays.
        threading.Thread(target=self._run, args=(spec, tuple(formats), started), daemon=True).start()
        return started

    def _path(self, spec: ModelSpec, formats: Sequence[str]) -> Path | None:
        digest = weights.sha256(spec, self._settings)
        if digest is None:
            return None
        parts = [digest, sorted(set(formats)), __version__, conversion.versions(), spec.to_json()]
        if spec.is_compact:
            # Training images may be kept while it is made.
            folder = self._settings.calibration
            parts.append(quantization.key(spec, self._settings) | {"images": calibration_images.digest(folder)})
        key = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
        return self._settings.home / "exports" / f"{spec.name}-{key}.zip"

    def _run(self, spec: ModelSpec, formats: tuple[str, ...], running: Export) -> None:
        def show(share: float, words: str) -> None:
            running.share, running.words = share, words

        path = running.path
        try:
            with self._turn:
                if not path.is_file():
                    export(
                        spec,
                        formats,
                        path,
                        self._settings,
                        preparations=self._preparations,
                        on_progress=show,
                        describe=self._describe,
                    )
                    for other in path.parent.glob("*.zip"):
                        with suppress(OSError):
                            if path.stat().st_mtime - other.stat().st_mtime > KEEP_S:
                                other.unlink()
        except ImgrecError as error:
            running.error = error
        except Exception as error:
            _log.exception("exporting %s", spec.name)
            running.error = error
        finally:
            running._over.set()
