"""The small JSON files of a job's folder."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imgrec import json_files
from imgrec.errors import ImgrecError
from imgrec.files import replacing


def read(path: Path) -> dict[str, Any] | None:
    """Return the object in `path`; None where there is none, or no whole one."""
    try:
        fields = json_files.read(path)
    except ImgrecError:
        return None
    return fields if isinstance(fields, dict) else None


def write(path: Path, fields: dict[str, Any]) -> None:
    """Write `fields` to `path`, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(fields, indent=2) + "\n")


def now() -> str:
    """Return the time, UTC, ISO 8601, to the microsecond: the order of the queue."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
