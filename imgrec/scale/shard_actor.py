"""A worker of a cluster: it loads a network once, opens the bytes of images by itself, and runs shards."""

import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from imgrec.data.dataset import Dataset
from imgrec.errors import EngineError, ImgrecError
from imgrec.evaluation.shard_work import Failures, Work, run_here
from imgrec.evaluation.shards import Shard
from imgrec.evaluation.stored_predictions import Answers
from imgrec.files import sole_holder, storage_errors
from imgrec.inference import conversion
from imgrec.inference.openvino_engine import open_queue
from imgrec.models.catalog import ModelSpec
from imgrec.settings import Settings


class ShardActor:
    """A network on `threads` cores; a shard's images are decoded by as many threads.

    `files` is the content of its folder, {model: {name: bytes}}, written on this machine unless it is there; None where
    `folder` is known to be there. Images larger than `max_upload_bytes` are refused, as on the driver's machine.
    """

    def __init__(
        self,
        spec: ModelSpec,
        folder: Path,
        files: Mapping[str, Mapping[str, bytes]] | None,
        framing: str,
        max_upload_bytes: int,
        threads: int,
    ) -> None:
        settings = replace(Settings.from_env(), max_upload_bytes=max_upload_bytes)
        if files is not None:
            folder = settings.home / "compiled" / folder.name
            receive(folder, files[spec.name])
        self._spec, self._settings, self._framing, self._threads = spec, settings, framing, threads
        self._path = folder / "model.xml"
        self._queue = open_queue(self._path, threads)

    def identify(self) -> int:
        """Return the process id, once the network is loaded."""
        return os.getpid()

    def run(self, labeled: Dataset, shard: Shard) -> tuple[tuple[Answers, Failures], int, int] | str:
        """Run `shard`, whose images `labeled` is, and no others.

        Returns:
            The answers with what could not be read, the process id and the most bytes that the process has held; a
            sentence where the shard as a whole failed.
        """
        work = Work(self._spec, labeled, self._settings, self._path, self._framing)
        alone = Shard(0, 0, len(labeled), shard.key)
        try:
            [(_, answers, failures)] = run_here(
                work, [alone], lambda finished: None, queue=self._queue, threads=self._threads
            )
        except ImgrecError as error:
            return str(error)
        return (answers, failures), os.getpid(), peak_bytes()


def receive(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the `files` of a compiled network into `folder` unless it is there; one process of a machine does so.

    Raises:
        EngineError: They are not what their manifest says.
        StorageError: The disk is full or cannot be written.
    """
    path = folder / "model.xml"
    with sole_holder(folder.with_suffix(".lock"), lambda: None):
        if conversion.read_intact(path) is not None:
            return
        part = folder.with_suffix(".part")
        with storage_errors(part):
            part.mkdir(parents=True, exist_ok=True)
            for name, data in files.items():
                (part / Path(name).name).write_bytes(data)
            conversion.discard(path)
            if folder.exists():
                for file in part.iterdir():
                    file.replace(folder / file.name)
                part.rmdir()
            else:
                part.rename(folder)
        if "manifest.json" in files and conversion.read_intact(path) is None:
            raise EngineError(f"Expected the network of {folder.name} as it was sent. Received: other files.")


def peak_bytes() -> int:
    """Return the most memory that this process has held, mapped files included."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
