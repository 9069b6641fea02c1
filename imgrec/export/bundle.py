"""A model as files that run without imgrec: network, labels, card, and a short script for each format.

    cifar_vgg/                    or one zip of the same
    ├── README.txt                what this is, and the command to run
    ├── predict_openvino.py       image → the five likeliest classes; needs numpy, pillow and the format's runtime
    ├── model.xml, model.bin      the network, in each format that was chosen: see `standalone.FORMATS`
    ├── labels.txt                one class a line, in the order of the network's outputs
    └── card.json                 what is known of the model

What needs Keras or TensorFlow happens in a worker process (`training.exporter`). Nothing that is exported names a
folder of this machine.
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
from dataclasses import asdict
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from imgrec import __version__
from imgrec.errors import BusyError, ConversionError, ImgrecError, InputError, MemoryBudgetError, UnknownNameError
from imgrec.export import scripts
from imgrec.export.scripts import FORMATS
from imgrec.files import storage_errors
from imgrec.inference import child_process, conversion
from imgrec.inference.preparation import Preparation, Preparations
from imgrec.jobs import check_disk
from imgrec.models import cards, weights
from imgrec.models.catalog import ModelSpec
from imgrec.settings import MIB, Settings, available_memory_bytes

# What Python is asked to run.
WORKER = ("-m", "imgrec.export.export_worker")

# The largest networks take minutes in TensorFlow's converters.
TIMEOUT_S = 15 * 60.0

# What must be installed beside imgrec's own requirements, and what only a training machine has.
EXTRAS = {"onnx": ("tensorflow", "tf2onnx", "onnx"), "litert": ("tensorflow",)}

# TensorFlow, and how often its converters hold the weights. Measured at their peak, ONNX and LiteRT: MobileNet
# (16 MiB of weights) 1.8 and 1.0 GB, ResNet50 (97 MiB) 6.2 and 1.8 GB.
RUNTIME_BYTES = 1000 * MIB
COPIES = {"onnx": 58, "litert": 11}

# A zip that is older makes room when anything is exported: as large as its model, which may be gone, and soon made.
KEEP_S = 24 * 3600.0

# The share of an export that is over before its formats are written.
_START = 0.05

# A word that is the path of a file on some machine; addresses (https://…) are none.
_PATH = re.compile(r"(?<![\w:/.~])~?/(?:[^\s/'\"]+/)+([^\s/'\"]*)")

_log = logging.getLogger(__name__)

Files = dict[str, Path | bytes]
OnProgress = Callable[[float, str], None]


def export(
    spec: ModelSpec,
    formats: Sequence[str],
    target: Path,
    settings: Settings,
    *,
    preparations: Preparations | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Write `spec` to `target`, a folder, or a zip where its name ends so; whole or not at all. Returns `target`.

    `on_progress` is given the share that is done and what comes next, in words; what it raises ends the export.

    Raises `UnknownNameError` on another format, `InputError` when something stands at `target` or a package is
    missing, `MemoryBudgetError`, and what fetching and converting the model raise.
    """
    formats = check_formats(formats)
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise InputError(f"Expected a place where nothing is yet. Received: {target}, which is there.")
    size_bytes = len(formats) * 4 * spec.parameters + MIB
    check_disk(settings.home, size_bytes)
    check_disk(target, size_bytes)
    show = on_progress or (lambda share, words: None)
    with _workshop(spec, settings) as folder:
        files = _networks(spec, formats, folder, settings, preparations or Preparations(settings), show)
        files |= _texts(spec, formats, settings)
        show(1.0, "putting it together")
        (_write_zip if target.suffix == ".zip" else _write_folder)(files, target, spec.name)
    return target


def check_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """`formats` in the order of `FORMATS`, each once; raises unless each is known and can be written here."""
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


# ── What goes in ──────────────────────────────────────────────────────────────────────────────────────────────────


def _networks(
    spec: ModelSpec,
    formats: Sequence[str],
    folder: Path,
    settings: Settings,
    preparations: Preparations,
    show: OnProgress,
) -> Files:
    """File name → where the network of each format lies; what is not there yet is made in `folder`."""
    files: Files = {}
    show(0.0, "looking for the weights")
    if "openvino" in formats:

        def tell(preparation: Preparation) -> None:
            if not preparation.over:
                show(0.0, ", ".join(filter(None, (preparation.stage, preparation.step))))

        compiled = preparations.ensure(spec, tell)
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
    """Have a worker write the files of `formats` into `folder`."""
    backend = "tensorflow" if set(formats) & EXTRAS.keys() else "openvino"
    needed = RUNTIME_BYTES + max(COPIES.get(name, 3) for name in formats) * 4 * spec.parameters
    usable = available_memory_bytes()
    titles = " and ".join(FORMATS[name].title for name in formats)
    if backend == "tensorflow" and usable < needed:
        raise MemoryBudgetError(
            f"Expected about {needed / MIB:,.0f} MiB of memory to write {spec.name} as {titles}. "
            f"Received: {usable / MIB:,.0f} MiB; OpenVINO and Keras need less."
        )
    request = {
        "spec": spec.to_json(),
        "weights_path": str(weights_path.resolve()),
        "folder": str(folder.resolve()),
        "formats": list(formats),
    }

    def on_answer(answer: dict[str, object]) -> None:
        if "format" in answer:
            name = str(answer["format"])
            show(_START + (1 - _START) * formats.index(name) / len(formats), f"writing {FORMATS[name].title}")

    show(_START, "starting Keras")
    try:
        answer = child_process.ask(WORKER, request, backend=backend, timeout_s=TIMEOUT_S, on_answer=on_answer)
    except child_process.WorkerError as error:
        more = f"; it takes about {needed / MIB:,.0f} MiB" if error.out_of_memory else ""
        raise ConversionError(f"Expected {spec.name} to be written as {titles}. Received: {error}{more}") from error
    if "done" not in answer:
        raise ConversionError(f"Expected {spec.name} to be written as {titles}. Received: a worker that stopped.")


def _texts(spec: ModelSpec, formats: Sequence[str], settings: Settings) -> Files:
    space = spec.get_label_space()
    texts = {
        "README.txt": scripts.readme(spec, space, formats),
        "labels.txt": scripts.labels(space),
        "card.json": json.dumps(_card(spec, settings), indent=1) + "\n",
    }
    texts |= {scripts.file_name(name): scripts.script(spec, name) for name in formats}
    return {name: text.encode() for name, text in texts.items()}


def _card(spec: ModelSpec, settings: Settings) -> dict[str, Any]:
    """The model's card without folders of this machine; of a published model, its row of the catalog."""
    card = next((card for card in cards.all_cards(settings) if card.name == spec.name), None)
    return shareable(spec.to_json() if card is None else card.fields)


def shareable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a card without folders of this machine."""
    return {name: value if name == "classes" else without_paths(value) for name, value in fields.items()}


def without_paths(value: Any) -> Any:
    """`value`, JSON, with only the last part of every path in it: folders name people and machines."""
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


# ── Onto the disk ─────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _workshop(spec: ModelSpec, settings: Settings) -> Iterator[Path]:
    """An empty folder for what is made on the way, held by one export of this model at a time."""
    import filelock  # 20 ms; only who exports needs it

    folder = settings.home / "exports" / f"{spec.name}.part"
    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.with_suffix(".lock"), thread_local=False)
    try:
        lock.acquire(timeout=TIMEOUT_S)
    except filelock.Timeout as error:
        raise BusyError(f"{spec.name} is being exported by somebody else. Try again later.") from error
    try:
        with storage_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)  # of an export that was killed
            folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _write_folder(files: Files, target: Path, name: str) -> None:
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with storage_errors(target):
            part.mkdir(parents=True)
            for file, content in files.items():
                if isinstance(content, bytes):
                    (part / file).write_bytes(content)
                else:
                    shutil.copyfile(content, part / file)
            if target.is_dir():
                target.rmdir()  # empty: it was looked at
            part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_zip(files: Files, target: Path, name: str) -> None:
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with storage_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            # Weights do not get smaller: stored as they are, which takes no time.
            with zipfile.ZipFile(part, "w", strict_timestamps=False) as archive:
                for file, content in files.items():
                    if isinstance(content, bytes):
                        archive.writestr(f"{name}/{file}", content)
                    else:
                        archive.write(content, f"{name}/{file}")
            os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _forget_old(path: Path) -> None:
    """Delete what was exported long before `path`, of any model."""
    for other in path.parent.glob("*.zip"):
        with suppress(OSError):
            if path.stat().st_mtime - other.stat().st_mtime > KEEP_S:
                other.unlink()


# ── In the background ─────────────────────────────────────────────────────────────────────────────────────────────


class Export:
    """One export on its way to a zip; every attribute may be read by any thread at any time.

    `share` and `words` say how far it is; `error` is what happened if it failed: an `ImgrecError`, or a bug.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.share = 0.0
        self.words = "waiting for its turn"
        self.error: Exception | None = None
        self._over = threading.Event()

    @property
    def over(self) -> bool:
        """Whether it is ready or failed."""
        return self._over.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is over; whether it is."""
        return self._over.wait(timeout_s)


class Exports:
    """The exports of a process, one after another: each may take a gigabyte. Every method may be called by any thread.

    An export belongs to no visitor: it goes on when a page is left, and who asks for the same gets the same.
    """

    def __init__(self, settings: Settings, preparations: Preparations) -> None:
        self._settings = settings
        self._preparations = preparations
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._latest: dict[Path, Export] = {}

    def find(self, spec: ModelSpec, formats: Sequence[str]) -> Path | None:
        """The finished zip of `spec` in these formats, also one of an earlier process; None if there is none."""
        path = self._path(spec, formats)
        return path if path is not None and path.is_file() else None

    def get(self, spec: ModelSpec, formats: Sequence[str]) -> Export | None:
        """The latest export of `spec` in these formats, under way or over; None if there was none here."""
        path = self._path(spec, formats)
        with self._lock:
            return None if path is None else self._latest.get(path)

    def start(self, spec: ModelSpec, formats: Sequence[str]) -> Export:
        """The export that is under way, or a new one; returns at once. Raises as `check_formats` and `weights.find`."""
        check_formats(formats)
        path = self._path(spec, formats)
        if path is None:
            raise InputError(f"Expected the weights of {spec.title} on this machine. Received: none.")
        with self._lock:
            latest = self._latest.get(path)
            if latest is not None and not latest.over:
                return latest
            started = self._latest[path] = Export(path)
        # Not waited for when the process ends: its worker ends by itself, and nothing half stays.
        threading.Thread(
            target=self._run, args=(spec, tuple(formats), started), name=f"export-{spec.name}", daemon=True
        ).start()
        return started

    def _path(self, spec: ModelSpec, formats: Sequence[str]) -> Path | None:
        digest = weights.sha256(spec, self._settings)
        if digest is None:
            return None
        parts = [digest, sorted(set(formats)), __version__, conversion.versions(), asdict(spec)]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
        return self._settings.home / "exports" / f"{spec.name}-{key}.zip"

    def _run(self, spec: ModelSpec, formats: tuple[str, ...], running: Export) -> None:
        def show(share: float, words: str) -> None:
            running.share, running.words = share, words

        try:
            with self._turn:
                if not running.path.is_file():
                    export(
                        spec, formats, running.path, self._settings, preparations=self._preparations, on_progress=show
                    )
                    _forget_old(running.path)
        except ImgrecError as error:
            running.error = error
        except Exception as error:  # a bug: loud in the log, and for whoever waits
            _log.exception("exporting %s", spec.name)
            running.error = error
        finally:
            running._over.set()
