"""The contract for people: as a page without scripts, and as Markdown (`python -m imgrec.api.contract_page`)."""

import base64
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from imgrec.api import contract, problems
from imgrec.settings import Settings

# The colors are those of the pages; light and dark follow the browser.
_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; } h3 { margin-top: 1.5rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); padding: .3rem .6rem .3rem 0; }
th, td { text-align: left; vertical-align: top; }
:target { outline: 2px solid; outline-offset: -2px; scroll-margin-top: 1rem; }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# Nothing is loaded, nothing runs; the one style is known by its hash.
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
}

TITLE = "imgrec's HTTP API"


@dataclass(frozen=True, slots=True)
class Table:
    """A table; its first column is code, and where `is_named` each row can be linked to by it."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its level, and what stands below it: paragraphs and tables."""

    level: int
    heading: str
    parts: Sequence[str | Table]


def sections(document: Mapping[str, Any]) -> Iterator[Section]:
    """Yield what there is to say of the contract."""
    info = document["info"]
    base = document["servers"][0]["url"]
    token = (
        "Each request needs a token: `Authorization: Bearer …`."
        if "security" in document
        else "No token is needed; a server with `IMGREC_API_TOKENS` asks for one."
    )
    yield Section(1, TITLE, [info["description"], f"Version {info['version']}, below `{base}`. {token}"])
    yield Section(
        2,
        "Limits",
        [Table(("limit", "number"), [(name, f"{number:,}") for name, number in document["x-limits"].items()])],
    )
    options: dict[str, Any] = {}
    for methods in document["paths"].values():
        options |= {one["name"]: one for operation in methods.values() for one in operation["parameters"]}
    rows = [(name, type_of(one["schema"]), one["description"]) for name, one in options.items() if one["in"] == "query"]
    about = "Each in the query or as a field of a form, not both. `models` and `weights` may be given several times."
    yield Section(2, "Options", [about, Table(("option", "type", "meaning"), rows)])
    yield Section(2, "Addresses", [])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield Section(3, f"{method.upper()} {path}", list(_operation(operation)))
    rows = [(name, str(kind.http_status), f"{problems.meaning(kind)}.") for name, kind in problems.KINDS.items()]
    about = (
        "An error is `application/problem+json` (RFC 9457): `type` ends in one of these names, `detail` is the "
        "sentence. 404 for an address and 405 for a method have the type `about:blank`."
    )
    yield Section(2, "Errors", [about, Table(("error", "status", "meaning"), rows, is_named=True)])
    yield Section(2, "Values", ["Members that may be missing are in brackets; there are no others."])
    for name, schema in document["components"]["schemas"].items():
        members = schema["properties"].items()
        required = schema["required"]
        table = [
            (key if key in required else f"[{key}]", type_of(one), one.get("description", "")) for key, one in members
        ]
        text = [schema["description"]] if "description" in schema else []
        yield Section(3, name, [*text, Table(("member", "type", "meaning"), table)])


def _operation(operation: Mapping[str, Any]) -> Iterator[str | Table]:
    yield operation["summary"]
    content = operation.get("requestBody", {}).get("content", {})
    if content:
        sizes = {kind: one["x-max-bytes"] for kind, one in content.items()}
        yield f"Body: {', '.join(f'`{kind}`' for kind in sizes)}; at most {max(sizes.values()):,} bytes."
    if options := [one["name"] for one in operation["parameters"] if one["in"] == "query"]:
        yield f"Options: {', '.join(f'`{name}`' for name in options)}."
    gives = [f"`{kind}`, {type_of(one['schema'])}" for kind, one in operation["responses"]["200"]["content"].items()]
    statuses = ", ".join(status for status in operation["responses"] if status != "200")
    yield f"Answers with {', '.join(gives)}, or with {statuses}."


def type_of(schema: Mapping[str, Any]) -> str:
    """Return a schema in few words.

    >>> type_of({"type": "integer", "minimum": 1, "maximum": 10, "default": 5})
    'integer, 1 to 10, default 5'
    """
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(type_of(one) for one in schema["anyOf"])
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    words = " or ".join(kinds)
    if "enum" in schema:
        words = ", ".join(map(str, schema["enum"]))
    elif schema["type"] == "array":
        most = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
        words = f"list of {type_of(schema['items'])}{most}"
    elif "minimum" in schema and "maximum" in schema:
        words += f", {schema['minimum']:g} to {schema['maximum']:g}"
    elif "maxLength" in schema:
        words += f" of at most {schema['maxLength']:,} characters"
    return words + (f", default {json.dumps(schema['default'])}" if "default" in schema else "")


def to_html(document: Mapping[str, Any]) -> str:
    """Return the page."""
    parts = []
    for section in sections(document):
        parts.append(f"<h{section.level}>{_marked(section.heading)}</h{section.level}>")
        if section.level == 1:
            parts.append(f'<p><a href="{contract.BASE}/openapi.json">OpenAPI document</a></p>')
        parts += [_html_table(one) if isinstance(one, Table) else f"<p>{_marked(one)}</p>" for one in section.parts]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(TITLE)}</title><style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>"
    )


def _html_table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    rows = []
    for first, *others in table.rows:
        name = f' id="{escape(first)}"' if table.is_named else ""
        cells = "".join(f"<td>{_marked(cell)}</td>" for cell in others)
        rows.append(f'<tr{name}><th scope="row"><code>{escape(first)}</code></th>{cells}</tr>')
    body = "".join(rows)
    return f'<div class="table" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _marked(text: str) -> str:
    """Return text as HTML, with what stands between backticks as code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if at % 2 else piece for at, piece in enumerate(pieces))


def to_markdown(document: Mapping[str, Any]) -> str:
    """Return the same as Markdown."""
    parts = []
    for section in sections(document):
        parts.append(f"{'#' * section.level} {section.heading}")
        parts += [_markdown_table(one) if isinstance(one, Table) else one for one in section.parts]
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: Table) -> str:
    lines = [table.columns, ["---"] * len(table.columns)]
    lines += [[f"`{first}`", *(cell.replace("|", "\\|") for cell in others)] for first, *others in table.rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


if __name__ == "__main__":
    sys.stdout.write(to_markdown(contract.document(Settings.from_env({}))))
