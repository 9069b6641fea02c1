"""The results of an evaluation in a store: in a folder of this machine meanwhile, and sent file by file.

Figures are computed again from all answers, in pieces, several times: a store is too far away for that.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from imgrec.data.stores import Store, StoredFile
from imgrec.errors import InputError
from imgrec.evaluation.shards import MANIFEST, PARTS, VERSION, listed_in
from imgrec.evaluation.stored_predictions import PREDICTIONS, SUMMARY


@dataclass(frozen=True, slots=True)
class Mirror:
    """A folder that has the results in `store`. All methods raise as those of `Store`.

    A row is added to the summary that is in the store by then. Of two machines that do so within the same moment one
    row is lost; the same command writes it again, without computing.
    """

    store: Store
    folder: Path

    def send(self, path: Path) -> None:
        """Write a file of the folder to the store, in one request."""
        self.store.put(self._name(path), path.read_bytes())

    def finish(self, parts: Path) -> None:
        """Note in the store that nothing in the folder `parts` is needed any more: its answers are in one file."""
        text = json.dumps({"version": VERSION, "shards": []})
        self.store.put(self._name(parts / MANIFEST), f"{text}\n".encode())

    def fetch(self, path: Path) -> None:
        """Read what `path` is in the folder from the store again, where it is there."""
        wanted = self._name(path)
        for file in _files(self.store):
            if file.name == wanted:
                self._take(file)

    def fetch_all(self) -> None:
        """Read the results in the store; of unfinished evaluations only the shards that their manifests list."""
        files = _files(self.store)
        listed: set[PurePosixPath] = set()
        for file in files:
            if file.name.name == MANIFEST and file.name.parent.suffix == PARTS:
                # Without one that can be read, the shards are computed again.
                with suppress(ValueError, KeyError, TypeError):
                    manifest = json.loads(self.store.read(file.name, file.size_bytes))
                    listed |= {file.name.parent / shard.file_name for shard in listed_in(manifest)}
        for file in files:
            if file.name.parent.suffix != PARTS or file.name in listed:
                self._take(file)

    def _take(self, file: StoredFile) -> None:
        path = self.folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.store.read(file.name, file.size_bytes))

    def _name(self, path: Path) -> PurePosixPath:
        return PurePosixPath(path.relative_to(self.folder))


@contextmanager
def mirrored(store: Store) -> Iterator[Mirror]:
    """Yield a mirror of the results in `store`; its folder is deleted afterwards. Raises as `Store.list` and `read`."""
    with TemporaryDirectory(prefix="imgrec-") as folder:
        mirror = Mirror(store, Path(folder))
        mirror.fetch_all()
        yield mirror


def _files(store: Store) -> list[StoredFile]:
    """Return the files that results are in; what else lies there is not read."""
    try:
        files = store.list()
    except InputError:  # nothing there yet
        return []
    return [file for file in files if str(file.name) == SUMMARY or file.name.parts[0] == PREDICTIONS]
