"""Columns, errors, and components that Streamlit lacks.

Image strip, before and after, paste and drop, tab memory, drawer, copied link: they exchange ids and events with the
page; their scripts are in `assets/components/`. Images are sent to the browser as thumbnails, and to the server through
Streamlit's own uploader, never through these components.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from imgrec.errors import ImgrecError
from imgrec.images.encoding import data_url
from imgrec.settings import ASSETS
from imgrec.ui.markdown import plain

# Names the right column, for the focus after an image has been taken.
RESULT = "result"


def halves() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Return a narrow column for the image and a wide one for the result; stacked on a narrow screen."""
    left, right = st.columns([1, 3], gap="large")
    return left, right.container(key=RESULT)


@contextmanager
def errors_shown(icon: str = ":material/error:") -> Iterator[None]:
    """Show the sentence of an `ImgrecError` in its place on the page."""
    try:
        yield
    except ImgrecError as error:
        st.error(plain(str(error)), icon=icon)


def download(
    label: str,
    data: Any,
    file: str,
    mime: str,
    *,
    key: str,
    help: str | None = None,
    type: Literal["primary", "secondary", "tertiary"] = "secondary",
) -> None:
    """Show a button that downloads `data`, or what that returns at the click; the page does not run again."""
    icon = ":material/download:"
    st.download_button(label, data, file, mime, key=key, help=help, icon=icon, on_click="ignore", type=type)


@dataclass(frozen=True, slots=True)
class Tile:
    """One image of a strip; `thumbnail` is an encoded image, `label` its accessible name, `caption` stands below."""

    id: str
    label: str
    thumbnail: bytes
    selected: bool = False
    caption: str = ""


def read_component(file: str) -> str:
    """Return the text of a file of a component."""
    return (ASSETS / "components" / file).read_text(encoding="utf-8")


_strip = st.components.v2.component(
    "imgrec_strip",
    html='<div class="strip" role="group"></div>',
    css=read_component("strip.css"),
    js=read_component("strip.js"),
)
_before_after = st.components.v2.component(
    "imgrec_before_after",
    html='<div class="before-after"><img><img class="after"><div class="line"></div>'
    '<input type="range" min="0" max="100" value="50"></div>',
    css=read_component("before_after.css"),
    js=read_component("before_after.js"),
)
_intake = st.components.v2.component("imgrec_intake", js=read_component("intake.js"))
_enter = st.components.v2.component("imgrec_enter", js=read_component("enter.js"))
_drawer = st.components.v2.component("imgrec_drawer", js=read_component("drawer.js"))
_copy_link = st.components.v2.component(
    "imgrec_copy_link",
    html=read_component("copy_link.html"),
    css=read_component("copy_link.css"),
    js=read_component("copy_link.js"),
)
_tab = st.components.v2.component("imgrec_tab", js=read_component("tab.js"))


def strip(
    label: str,
    tiles: Sequence[Tile],
    *,
    key: str,
    on_pick: Callable[[str], None],
    on_remove: Callable[[str], None] | None = None,
    on_more: Callable[[object], None] | None = None,
    more: int = 0,
    side_px: int = 56,
) -> None:
    """Show a row of thumbnails, each a button; `on_pick` gets the id of the chosen one.

    `on_remove` gets the id of a tile whose × was clicked; without it tiles have no ×. `more` is the number of images
    that are not shown; `on_more` is called when that number is clicked.
    """

    def handler(name: str, call: Callable[[Any], None] | None) -> Callable[[], None]:
        def handle() -> None:
            value = getattr(st.session_state[key], name)
            if call is not None and value:
                call(value)

        return handle

    shown = [asdict(tile) | {"thumbnail": data_url(tile.thumbnail)} for tile in tiles]
    _strip(
        key=key,
        data={"label": label, "tiles": shown, "more": more, "side": side_px, "removable": on_remove is not None},
        on_picked_change=handler("picked", on_pick),
        on_removed_change=handler("removed", on_remove),
        on_more_change=handler("more", on_more),
    )


def before_after(label: str, before: bytes, after: bytes, *, key: str) -> None:
    """Show two encoded images of one size over each other, with a line between them to drag, or to move by key."""
    _before_after(key=key, data={"label": label, "before": data_url(before), "after": data_url(after)})


def intake(
    zone: str, limit_bytes: int, *, key: str, result: str, changes: int, on_too_large: Callable[[list[str]], None]
) -> None:
    """Let the whole page take pasted and dropped images for the uploader inside the container `zone`.

    `on_too_large` gets the names of files above `limit_bytes`, which the uploader refuses by itself; with the next
    arrival it gets an empty list. With each new number `changes` above 0 a lost focus goes to the heading inside the
    container `result`.
    """

    def refused() -> None:
        names = st.session_state[key].too_large
        if names is not None:
            on_too_large([str(name) for name in names])

    data = {"zone": zone, "limit": limit_bytes, "result": result, "changes": changes}
    _intake(key=key, data=data, on_too_large_change=refused, height=1)


def enter_presses(field: str, button: str, text: str, *, key: str) -> None:
    """Let Enter in the widget `field` press `button`, both by their keys; `text` is what the server knows of the field.

    To be called after the button was shown.
    """
    _enter(key=key, data={"field": field, "button": button, "text": text.strip()}, height=1)


def remember_tab(tab: str | None, *, ask: bool) -> str | None:
    """Have the browser's tab remember the id `tab`, or none.

    With `ask`, a tab that remembers another id from before a reload keeps that, and it is returned.
    """
    result = _tab(key="tab_memory", data={"id": tab, "ask": ask}, on_known_change=lambda: None, height=1)
    known = result.known
    return known if ask and isinstance(known, str) else None


def copy_link() -> None:
    """Show a button that copies the address of the page, and says so to screen readers too."""
    data = {
        "label": "Copy link",
        "help": "Models and options are in the link; images are not.",
        "done": "Link copied",
        "failed": "Not copied: this browser forbids it. Copy the address above.",
    }
    _copy_link(key="copy_link", data=data, width="content")


def close_drawer(page: str) -> None:
    """Close the drawer of a narrow screen when `page` is another one than before."""
    _drawer(key="drawer", data={"page": page}, height=1)
