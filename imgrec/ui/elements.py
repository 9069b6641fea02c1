"""What Streamlit does not have: a strip of pictures to choose from, a page that takes pictures, a drawer that closes.

Strip and intake speak to the page in ids and events; the pictures travel as thumbnails of ours one way and through
Streamlit's own uploader the other, never through these.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of a strip; `thumbnail` is an encoded picture, `label` what a screen reader says."""

    id: str
    label: str
    thumbnail: bytes
    selected: bool = False


_STRIP_CSS = """
.strip { display: flex; flex-wrap: wrap; gap: 6px; padding: 3px; align-items: center; }
button {
  padding: 0; border: 2px solid transparent; border-radius: var(--st-base-radius); background: none;
  cursor: pointer; line-height: 0; overflow: hidden;
}
button img {
  width: var(--side); height: var(--side); object-fit: cover;
  border-radius: calc(var(--st-base-radius) - 2px);
}
button:hover { border-color: var(--st-border-color); }
button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 1px; }
button[aria-pressed="true"] { border-color: var(--st-primary-color); }
button.more { font: 600 14px/56px var(--st-font); color: var(--st-text-color); padding: 0 12px; }
"""

_STRIP_JS = """
export default function ({ parentElement, data, setTriggerValue }) {
  const strip = parentElement.querySelector(".strip")
  strip.setAttribute("aria-label", data.label)
  strip.style.setProperty("--side", `${data.side}px`)
  const focused = parentElement.activeElement?.dataset?.id
  strip.replaceChildren(...data.tiles.map((tile) => {
    const button = document.createElement("button")
    button.type = "button"
    button.title = tile.label
    button.dataset.id = tile.id
    button.setAttribute("aria-pressed", String(tile.selected))
    button.onclick = () => setTriggerValue("picked", tile.id)
    const image = document.createElement("img")
    image.src = tile.source
    image.alt = tile.label
    button.append(image)
    return button
  }))
  if (data.more > 0) {
    const more = document.createElement("button")
    more.type = "button"
    more.className = "more"
    more.dataset.id = "more"
    more.textContent = `+${data.more}`
    more.title = `Show ${data.more} more`
    more.onclick = () => setTriggerValue("more", true)
    strip.append(more)
  }
  if (focused) strip.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus()
}
"""

# Pictures pasted or dropped anywhere on the page go into Streamlit's own uploader, so that their bytes take its
# way (plain HTTP, with its limit) and not the web socket. What the uploader will refuse for its size is reported,
# because its own remark vanishes with the next rerun.
_INTAKE_JS = """
let listening
let refused = false

export default function ({ data, setTriggerValue }) {
  listening?.abort()
  listening = new AbortController()
  const { signal } = listening
  const input = () => document.querySelector(`.st-key-${data.zone} input[type=file]`)
  const zone = () => document.querySelector(`.st-key-${data.zone}`)

  const report = (files) => {
    const large = [...files].filter((file) => file.size > data.limit).map((file) => file.name)
    // An empty list takes the last remark away.
    if (large.length || refused) setTriggerValue("too_large", large)
    refused = large.length > 0
  }
  const put = (files) => {
    const target = input()
    if (!target || !files.length) return
    const transfer = new DataTransfer()
    files.forEach((file) => transfer.items.add(file))
    target.files = transfer.files
    target.dispatchEvent(new Event("change", { bubbles: true }))
  }

  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])]
    if (!files.length || !input()) return
    event.preventDefault()
    const time = new Date().toTimeString().slice(0, 8).replaceAll(":", ".")
    put(files.map((file) => file.name === "image.png"
      ? new File([file], `pasted ${time}.png`, { type: file.type }) : file))
  }, { signal })

  document.addEventListener("change", (event) => {
    if (event.target === input()) report(event.target.files)
  }, { signal, capture: true })

  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types?.includes("Files")) return
    event.preventDefault()
    zone()?.style.setProperty("outline", "3px dashed var(--st-primary-color, currentColor)")
  }, { signal })
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) zone()?.style.removeProperty("outline")
  }, { signal })
  document.addEventListener("drop", (event) => {
    zone()?.style.removeProperty("outline")
    const files = [...(event.dataTransfer?.files ?? [])]
    if (!files.length) return
    if (zone()?.contains(event.target)) return report(files)
    event.preventDefault()
    put(files)
  }, { signal, capture: true })

  return () => listening?.abort()
}
"""

# On a phone the navigation is a drawer, and Streamlit leaves it open over the page that was chosen in it.
_DRAWER_JS = """
let shown

export default function ({ data }) {
  const drawer = document.querySelector("[data-testid=stSidebar]")
  const isOpen = drawer && drawer.getBoundingClientRect().right > 0
  if (isOpen && shown !== undefined && shown !== data.page)
    drawer.querySelector("[data-testid=stSidebarCollapseButton] button")?.click()
  shown = data.page
}
"""

_strip = st.components.v2.component(
    "imgrec_strip", html='<div class="strip" role="group"></div>', css=_STRIP_CSS, js=_STRIP_JS
)
_intake = st.components.v2.component("imgrec_intake", js=_INTAKE_JS)
_drawer = st.components.v2.component("imgrec_drawer", js=_DRAWER_JS)


def strip(
    label: str,
    tiles: Sequence[Tile],
    *,
    key: str,
    on_pick: Callable[[str], None],
    on_more: Callable[[], None] | None = None,
    more: int = 0,
    side_px: int = 56,
) -> None:
    """A row of thumbnails, each a button; `on_pick` gets the id of the one chosen.

    `more`: how many are not shown; `on_more` is called when somebody asks for them.
    """

    def picked() -> None:
        if chosen := st.session_state[key].picked:
            on_pick(chosen)

    def more_wanted() -> None:
        if on_more is not None and st.session_state[key].more:
            on_more()

    shown = [
        {"id": tile.id, "label": tile.label, "selected": tile.selected, "source": _data_url(tile.thumbnail)}
        for tile in tiles
    ]
    _strip(
        key=key,
        data={"label": label, "tiles": shown, "more": more, "side": side_px},
        on_picked_change=picked,
        on_more_change=more_wanted,
    )


def intake(zone: str, limit_bytes: int, *, key: str, on_too_large: Callable[[list[str]], None]) -> None:
    """Let the whole page take pasted and dropped pictures for the uploader inside the container `zone`.

    `on_too_large` gets the names of files above `limit_bytes`, which the uploader refuses by itself; with the next
    arrival it gets an empty list.
    """

    def refused() -> None:
        names = st.session_state[key].too_large
        if names is not None:
            on_too_large([str(name) for name in names])

    _intake(key=key, data={"zone": zone, "limit": limit_bytes}, on_too_large_change=refused, height=1)


def close_drawer(page: str) -> None:
    """Close the drawer of a narrow screen when `page` is another one than before."""
    _drawer(key="drawer", data={"page": page}, height=1)


def _data_url(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "webp" if picture[8:12] == b"WEBP" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"
