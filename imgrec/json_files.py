"""JSON files that may hold anything: read within limits, and checked against the types that they should have.

A file in a folder of the user may be cut, edited by hand, of another program, or made to do harm. What is read here is
plain JSON without NaN and numbers beyond a float's range; what does not fit is a sentence, never a traceback.
"""

import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from imgrec.errors import InputError
from imgrec.files import opened
from imgrec.settings import MIB

# The largest that imgrec writes are summaries of many measurements: some MiB.
MAX_BYTES = 64 * MIB

# Of a value that does not fit, in a sentence.
_SHOWN_CHARACTERS = 60

_Row = TypeVar("_Row")


def read(path: Path, *, max_bytes: int = MAX_BYTES) -> Any:
    """Return what the file at `path` holds.

    Raises:
        InputError: It is no plain file, larger than `max_bytes`, or not JSON in UTF-8.
        StorageError: It cannot be read, or is not there.
    """
    with opened(path) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise InputError(f"Expected at most {max_bytes / MIB:,.0f} MiB in {path}. Received: more.")
    return decode(data, str(path))


def decode(data: bytes | str, name: str) -> Any:
    """Return the value of a JSON text; raises `InputError` with the `name` of its file."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        return json.loads(text, parse_constant=_refuse, parse_float=_to_float)
    except RecursionError:
        raise InputError(f"Expected {name} to be JSON. Received: lists within lists, too deep to read.") from None
    except ValueError as error:  # also what is not UTF-8, and whole numbers of thousands of digits
        raise InputError(f"Expected {name} to be JSON in UTF-8. Received: {_short(str(error))}.") from error


def to_row(kind: type[_Row], values: Any, name: str) -> _Row:
    """Return the dataclass `kind` with `values`, a JSON object of its fields; `name` is that of the file.

    Raises `InputError` where one is missing, of another type, or not known.
    """
    if not isinstance(values, dict):
        raise InputError(f"Expected an object in {name}. Received: {_short(repr(values))}.")
    if wrong := what_is_wrong(kind, values, all_known=True):
        raise InputError(f"Expected {wrong[0]} in {name}. Received: {wrong[1]}.")
    return kind(**values)


def what_is_wrong(kind: type, values: Mapping[str, Any], *, all_known: bool = False) -> tuple[str, str] | None:
    """Return (what is expected, what was received) of the first field of a dataclass that `values` do not fit.

    None where all do. With `all_known` a name that is no field does not fit either.
    """
    hints, needed = _fields_of(kind)
    for field, hint in hints.items():
        if field not in values:
            if field in needed:
                return field, "none"
        elif not fits(values[field], hint):
            return f"{field} to be {_words(hint)}", _short(repr(values[field]))
    if all_known and (unknown := [field for field in values if field not in hints]):
        return f"no fields but {', '.join(hints)}", _short(str(unknown[0]))
    return None


def fits(value: object, hint: Any) -> bool:
    """Return whether a value from JSON is of a type as annotations name it; a whole number is a `float`, too.

    >>> fits([1, 2], list[int]), fits({"a": None}, dict[str, float | None]), fits("12", int), fits(True, int)
    (True, True, False, False)
    """
    if hint is Any or hint is object:
        return True
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return any(fits(value, one) for one in inner)
    if origin is typing.Literal:
        return value in inner
    if origin is dict or hint is dict:
        of = inner or (Any, Any)
        return isinstance(value, dict) and all(fits(k, of[0]) and fits(one, of[1]) for k, one in value.items())
    if origin is list or hint is list:
        return isinstance(value, list) and all(fits(one, inner[0] if inner else Any) for one in value)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            return False
        if inner[1:] == (...,):
            return all(fits(one, inner[0]) for one in value)
        return len(value) == len(inner) and all(map(fits, value, inner))
    if hint is None or hint is types.NoneType:
        return value is None
    if hint is float:
        return isinstance(value, float | int) and not isinstance(value, bool) and abs(value) < 1e300
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, hint)


@cache
def _fields_of(kind: type) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the types of the fields of a dataclass, and the names of those without a default."""
    hints = typing.get_type_hints(kind)
    found = [one for one in fields(kind) if one.init]
    needed = frozenset(one.name for one in found if one.default is MISSING and one.default_factory is MISSING)
    return {one.name: hints[one.name] for one in found}, needed


def _words(hint: Any) -> str:
    """Return a type in words, as JSON calls it."""
    names: dict[Any, str] = {
        int: "a whole number",
        float: "a number",
        str: "a text",
        bool: "true or false",
        None: "null",
    }
    names |= {types.NoneType: "null", dict: "an object", list: "a list", tuple: "a list"}
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return " or ".join(map(_words, typing.get_args(hint)))
    return names.get(hint) or names.get(typing.get_origin(hint), "another value")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _refuse(constant: str) -> float:
    raise ValueError(f"the number {constant}, which JSON has not")


def _to_float(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"the number {_short(text)}, beyond the range of numbers")
    return value
