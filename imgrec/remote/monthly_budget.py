"""How many images a month may be sent to a service, counted in a file: a service charges for what is above.

    IMGREC_HOME/services/google_cloud_vision.json      {"month": "2026-11", "images": 117}

Images are counted before they are sent, so that a process that is killed meanwhile does not send them again for free;
those that the service did not take are given back. Any number of processes may count in the same file.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from imgrec.errors import InputError
from imgrec.files import replacing, sole_holder


def this_month() -> str:
    """Return the month in UTC, as of "2026-11"."""
    return datetime.now(UTC).strftime("%Y-%m")


@dataclass(frozen=True, slots=True)
class MonthlyBudget:
    """At most `limit` images in each month, counted in the file at `path`."""

    path: Path
    limit: int
    month: Callable[[], str] = this_month

    @property
    def left(self) -> int:
        """The number of images that may still be sent in this month; raises `InputError` as `take` does."""
        return max(0, self.limit - self._used())

    def take(self, count: int) -> int:
        """Count up to `count` images; return how many of them may be sent.

        Raises:
            InputError: The file is not one that imgrec wrote.
            StorageError: It cannot be written.
        """
        with self._held():
            used = self._used()
            taken = max(0, min(count, self.limit - used))
            self._write(used + taken)
        return taken

    def give_back(self, count: int) -> None:
        """Count `count` images less; raises as `take`."""
        with self._held():
            self._write(max(0, self._used() - count))

    @contextmanager
    def _held(self) -> Iterator[None]:
        with sole_holder(self.path.with_suffix(".lock"), lambda: None):
            yield

    def _used(self) -> int:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            month, images = found["month"], found["images"]
            if not isinstance(images, int) or images < 0 or not isinstance(month, str):
                raise ValueError("other values")
        except (FileNotFoundError, NotADirectoryError):
            return 0
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"Expected {self.path.name} to have a month and a number of images. Received: "
                f"{type(error).__name__}. Remove the file to count from 0."
            ) from error
        return images if month == self.month() else 0

    def _write(self, images: int) -> None:
        with replacing(self.path) as beside:
            beside.write_text(json.dumps({"month": self.month(), "images": images}), encoding="utf-8")
