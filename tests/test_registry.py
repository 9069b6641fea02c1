"""A table that is changed while others go through it."""

from collections.abc import Callable, Iterable

import pytest

from imgrec.registry import Registry


@pytest.mark.parametrize(
    "go_through",
    [Registry.__iter__, Registry.keys, Registry.values, Registry.items],
    ids=["iter", "keys", "values", "items"],
)
def test_who_goes_through_it_sees_it_as_it_was(go_through: Callable[[Registry[int]], Iterable[object]]) -> None:
    registry = Registry({"a": 1, "b": 2, "c": 3})
    expected = list(go_through(registry))
    seen = []
    for row in go_through(registry):
        seen.append(row)
        registry.change(remove=["b", "c"], add={"d": 4})
    assert seen == expected
    assert dict(registry) == {"a": 1, "d": 4}


def test_it_is_a_dict_in_all_else() -> None:
    rows = {"a": 1}
    registry = Registry(rows)
    registry["b"] = 2
    registry["a"] = 3
    assert list(registry.items()) == [("a", 3), ("b", 2)]
    assert registry.pop("a") == 3
    assert "a" not in registry
    assert len(registry) == 1
    assert rows == {"a": 1}
    with pytest.raises(KeyError):
        del registry["a"]


def test_what_is_not_there_can_be_taken_out() -> None:
    registry = Registry({"a": 1})
    registry.change(remove=["x"], add={})
    assert dict(registry) == {"a": 1}
