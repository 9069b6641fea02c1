"""Keys of widgets: no text of a visitor is in one, and equal parts make equal keys."""

import ast
from collections.abc import Iterator
from pathlib import Path

from imgrec.settings import ROOT
from imgrec.ui.widget_keys import key_of
from tests.reliability.hostile_names import NAMES

# What a key may have in it as it is: words of the code, numbers, and keys that `key_of` made.
HARMLESS = {
    *("key", "id_", "purpose", "_KEY", "quantity", "format", "kind", "number", "enough", "place"),
    *("finding.kind", "entry.id", "space.name", "recipe.name", "'right' if before is None else 'tried'"),
}
# Each of these is a name in a table of the code, not of a visitor.
HARMLESS_IN = {
    *(
        ("scratch_form.py", "name"),
        ("scratch_form.py", "field"),
        ("search_form.py", "name"),
        ("search_form.py", "space"),
    ),
    *(("augmentation_fields.py", "name"), ("published_epochs.py", "table"), ("remote_panel.py", "service.name")),
}

FILES = [*sorted((ROOT / "imgrec" / "ui").rglob("*.py")), *sorted((ROOT / "pages").glob("*.py")), ROOT / "app.py"]


def texts_in_keys(file: Path) -> Iterator[str]:
    """Yield what the f-strings have in them that are given as a key, or assigned to a name that says so."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        values: list[ast.expr] = []
        if isinstance(node, ast.Call):
            values = [keyword.value for keyword in node.keywords if keyword.arg == "key"]
        elif isinstance(node, ast.Assign):
            values = [node.value] if ast.unparse(node.targets[0]) in ("key", "id_") else []
        for value in values:
            for inner in ast.walk(value):
                # Within another call a text may be anything: `named(f"…")` is an address, not a key.
                if isinstance(inner, ast.JoinedStr) and (inner is value or not isinstance(value, ast.Call)):
                    yield from (ast.unparse(one.value) for one in inner.values if isinstance(one, ast.FormattedValue))


def test_no_key_has_the_text_of_a_visitor() -> None:
    found = [(file.name, text) for file in FILES for text in texts_in_keys(file) if text not in HARMLESS]
    assert found
    assert not set(found) - HARMLESS_IN, "Expected `widget_keys.key_of` around each."


def test_the_check_finds_a_text(tmp_path: Path) -> None:
    file = tmp_path / "page.py"
    file.write_text(
        'st.button("x", key=f"remove_{label}")\nkey = f"open_{key}_{name}"\nst.button(key=key_of("a", f"{b}"))'
    )
    assert sorted(texts_in_keys(file)) == ["key", "label", "name"]


def test_keys_tell_all_names_apart_and_have_none_of_them() -> None:
    keys = {key_of("remove", name) for name in NAMES.values()}
    assert len(keys) == len(NAMES)
    assert all(key.isascii() and "__" not in key and key.startswith("remove_") for key in keys)
    assert key_of("a", "b", "c") != key_of("a", "bc", "") != key_of("a", "b\0" + "1:c")
    assert key_of("a", "b", 1) == key_of("a", "b", "1")
