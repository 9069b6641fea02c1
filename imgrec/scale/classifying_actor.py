"""A worker of a cluster that classifies images with several models, as `imgrec predict` does on one machine."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from imgrec.data.dataset import Dataset
from imgrec.errors import ImgrecError
from imgrec.evaluation.prediction_shards import classify_items
from imgrec.inference import conversion
from imgrec.inference.engine import Engine
from imgrec.inference.openvino_engine import OpenVINOEngine
from imgrec.inference.pool import EnginePool
from imgrec.inference.process_info import use_at_most
from imgrec.inference.request import Options
from imgrec.models.catalog import ModelSpec
from imgrec.reports.result import Result
from imgrec.scale.shard_actor import peak_bytes, receive
from imgrec.settings import Settings


class ClassifyingActor:
    """The networks of `options` on `threads` cores; images are decoded by as many threads.

    `folders` has the folder of each network; `files` is their content, {model: {name: bytes}}, which is written on this
    machine unless it is there, None where the folders are known to be there. `identities` are the sha256 of weights.
    """

    def __init__(
        self,
        options: Options,
        folders: Mapping[str, Path],
        files: Mapping[str, Mapping[str, bytes]] | None,
        identities: Mapping[str, str],
        max_upload_bytes: int,
        threads: int,
    ) -> None:
        use_at_most(threads)
        self._settings = replace(Settings.from_env(), max_upload_bytes=max_upload_bytes)
        self._options, self._threads = options, threads
        self._folders = dict(folders)
        if files is not None:
            self._folders = {model: self._settings.home / "compiled" / folders[model].name for model in files}
            for model, content in files.items():
                receive(self._folders[model], content)
        sizes = {spec.name: self._memory_bytes(spec) for spec in options.specs}
        self._pool = EnginePool(
            sum(sizes.values()),  # all of them stay loaded: the cluster has been asked for so much
            load=self._load,
            estimate=lambda spec: sizes[spec.name],
            identify=lambda spec: identities[spec.name],
        )

    def identify(self) -> int:
        """Return the process id, once the worker is up."""
        return os.getpid()

    def run(self, images: Dataset) -> tuple[list[Result], int, int] | str:
        """Classify `images`, the part of a shard.

        Returns:
            The results in their order, the process id and the most bytes that the process has held; a sentence where
            the shard as a whole failed.
        """
        try:
            results = list(classify_items(images, self._options, self._pool, self._settings, self._threads))
        except ImgrecError as error:
            return str(error)
        return results, os.getpid(), peak_bytes()

    def _load(self, spec: ModelSpec) -> Engine:
        return OpenVINOEngine(self._folders[spec.name] / "model.xml", self._memory_bytes(spec))

    def _memory_bytes(self, spec: ModelSpec) -> int:
        manifest = conversion.read_manifest(self._folders[spec.name] / "model.xml")
        return manifest.memory_bytes if manifest else 0
