"""The small JSON files of a job's folder, and the free room on its disk."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imgrec.errors import StorageError
from imgrec.files import replacing
from imgrec.settings import MIB


def read(path: Path) -> dict[str, Any] | None:
    """Return the object in `path`; None where there is none, or no whole one."""
    try:
        fields = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return fields if isinstance(fields, dict) else None


def write(path: Path, fields: dict[str, Any]) -> None:
    """Write `fields` to `path`, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(fields, indent=2) + "\n")


def now() -> str:
    """Return the time, UTC, ISO 8601, to the microsecond: the order of the queue."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def check_disk(folder: Path, needed_bytes: int) -> None:
    """Raise `StorageError` with the figures unless `needed_bytes` are free where `folder` is or will be."""
    there = next(path for path in [folder, *folder.parents] if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed_bytes:
        raise StorageError(
            f"Expected {needed_bytes / MIB:,.0f} MiB of room in {there}. Received: {free / MIB:,.0f} MiB free."
        )
