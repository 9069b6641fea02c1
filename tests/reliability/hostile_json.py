"""JSON files as nobody writes them: other texts altogether, and one value of a good file changed."""

import copy
import json
from collections.abc import Iterator
from typing import Any

# In place of each value of a good file.
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**40,
    1e300,
    "",
    "abc",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "a\0b",
    "9" * 5000,
    [],
    [[]],
    [1, "a", None],
    {},
    {"a": {"b": []}},
)

# In place of the whole file; none is an object.
TEXTS: dict[str, bytes] = {
    "nothing": b"",
    "spaces": b"  \n",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "a text": b'"abc"',
    "half an object": b'{"name": "x',
    "two objects": b"{}{}",
    "not JSON": b"name: x",
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "NaN": b"NaN",
    "a number beyond the range": b"1e999",
    "a number of 10,000 digits": b"9" * 10_000,
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "Latin-1": '{"name": "ü"}'.encode("latin-1"),
    "NUL": b'{"name": "x"}\0',
    "half a character": b'"\\ud800"',
    "random": bytes(range(256)),
}


def mutations(good: Any) -> Iterator[tuple[str, Any]]:
    """Yield (what, copy of `good`) with each value left out, and replaced by each of `VALUES`, one at a time."""
    for path in _paths(good):
        name = "/".join(map(str, path))
        changed = copy.deepcopy(good)
        del _parent(changed, path)[path[-1]]
        yield f"without {name}", changed
        for value in VALUES:
            changed = copy.deepcopy(good)
            _parent(changed, path)[path[-1]] = copy.deepcopy(value)
            yield f"{name} = {json.dumps(value)[:20]}", changed


def _paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value; of a list only the first two."""
    entries = (
        value.items() if isinstance(value, dict) else list(enumerate(value))[:2] if isinstance(value, list) else ()
    )
    for key, inner in entries:
        yield (*before, key)
        yield from _paths(inner, (*before, key))


def _parent(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value
