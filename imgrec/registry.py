"""A table by name that one thread may change while others go through it."""

import threading
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from typing import TypeVar

Row = TypeVar("Row")


class Registry(MutableMapping[str, Row]):
    """A dict that is never changed in place: whoever goes through it sees it as it was when they began.

    A change makes a new dict and puts it in the place of the old one, which costs microseconds for some dozens of rows
    and happens when a model is trained or removed; reading, which happens all the time, takes no lock.
    """

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self._rows = dict(rows)
        self._changing = threading.Lock()

    def __getitem__(self, name: str) -> Row:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    # The views of `MutableMapping` look every row up again while they go, and one may be gone by then.
    def keys(self) -> KeysView[str]:
        return self._rows.keys()

    def values(self) -> ValuesView[Row]:
        return self._rows.values()

    def items(self) -> ItemsView[str, Row]:
        return self._rows.items()

    def __setitem__(self, name: str, row: Row) -> None:
        self.change(add={name: row})

    def __delitem__(self, name: str) -> None:
        with self._changing:
            rows = dict(self._rows)
            del rows[name]
            self._rows = rows

    def change(self, *, remove: Iterable[str] = (), add: Mapping[str, Row]) -> None:
        """Take rows out and put rows in, all at once: nobody sees the half of it. Names that are not there are fine."""
        with self._changing:
            gone = set(remove)
            self._rows = {name: row for name, row in self._rows.items() if name not in gone} | dict(add)
