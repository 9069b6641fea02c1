"""Components that Streamlit does not have: a strip of images to choose from, paste and drop, a tab's memory, a drawer.

They exchange ids and events with the page. Images travel as thumbnails to the browser and through Streamlit's own
uploader to the server, never through these components.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True, slots=True)
class Tile:
    """One image of a strip; `thumbnail` is an encoded image, `label` its accessible name, `caption` stands below."""

    id: str
    label: str
    thumbnail: bytes
    selected: bool = False
    caption: str = ""


# On a touch screen a fingertip needs 24 px at least: WCAG 2.2, 2.5.8.
_STRIP_CSS = """
.strip { display: flex; flex-wrap: wrap; gap: 6px; padding: 3px; align-items: flex-start; }
@media (max-width: 640px) { .strip { flex-wrap: nowrap; overflow-x: auto; } .tile { flex: none; } }
.tile { position: relative; width: calc(var(--side) + 4px); }
button {
  padding: 0; border: 2px solid transparent; border-radius: var(--st-base-radius); background: none;
  cursor: pointer; line-height: 0; overflow: hidden;
}
button img {
  width: var(--side); height: var(--side); object-fit: cover;
  border-radius: calc(var(--st-base-radius) - 2px);
}
button:hover { border-color: var(--st-border-color); }
button:focus-visible { outline: 3px solid var(--st-link-color); outline-offset: 1px; }
button[aria-pressed="true"] { border-color: var(--st-link-color); }
.caption {
  display: block; padding: 3px 1px 1px; font: 400 0.8rem/1.2 var(--st-font); color: var(--st-text-color);
  overflow-wrap: break-word;
}
button.remove {
  position: absolute; top: 3px; right: 3px; width: 24px; height: 24px; border: none; border-radius: 12px;
  font: 600 16px/24px var(--st-font); color: var(--st-text-color); background: var(--st-background-color);
}
button.more { font: 600 14px/56px var(--st-font); color: var(--st-text-color); padding: 0 12px; }
"""

_STRIP_JS = """
export default function ({ parentElement, data, setTriggerValue }) {
  const strip = parentElement.querySelector(".strip")
  strip.setAttribute("aria-label", data.label)
  strip.style.setProperty("--side", `${data.side}px`)
  const active = parentElement.activeElement
  const focused = active?.dataset?.id
  const place = [...strip.children].indexOf(active?.closest(".tile"))
  const selectable = data.tiles.some((tile) => tile.selected)
  strip.replaceChildren(...data.tiles.map((tile) => {
    const item = document.createElement("div")
    item.className = "tile"
    const button = document.createElement("button")
    button.type = "button"
    button.title = tile.label
    button.setAttribute("aria-label", tile.label)
    button.dataset.id = tile.id
    if (selectable) button.setAttribute("aria-pressed", String(tile.selected))
    button.onclick = () => setTriggerValue("picked", tile.id)
    const image = document.createElement("img")
    image.src = tile.source
    image.alt = ""
    button.append(image)
    if (tile.caption) {
      const caption = document.createElement("span")
      caption.className = "caption"
      caption.textContent = tile.caption
      button.append(caption)
    }
    item.append(button)
    if (data.removable) {
      const remove = document.createElement("button")
      remove.type = "button"
      remove.className = "remove"
      remove.textContent = "×"
      remove.title = `Remove ${tile.label}`
      remove.setAttribute("aria-label", `Remove ${tile.label}`)
      remove.onclick = () => setTriggerValue("removed", tile.id)
      item.append(remove)
    }
    return item
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
  // The focus stays with its tile; if that was removed, it goes to the one in its place.
  const tiles = strip.querySelectorAll(".tile")
  const same = focused && strip.querySelector(`[data-id="${CSS.escape(focused)}"]`)
  const next = place >= 0 && tiles[Math.min(place, tiles.length - 1)]?.querySelector("button")
  ;(same || next || null)?.focus()
}
"""

# Images pasted or dropped anywhere on the page go into Streamlit's own uploader, so that their bytes take its
# way (plain HTTP, with its limit) and not the web socket. What the uploader will refuse for its size is reported,
# because its own remark vanishes with the next rerun.
#
# The element that had the focus (a sample, the uploader) is gone when its image has been taken. Then the focus goes
# to the heading of the result, so that a screen reader reads it and the next Tab starts there.
_INTAKE_JS = """
let listening
let refused = false
let focused = 0

// Models may have to be loaded first.
const PATIENCE_MS = 60_000

const focusResult = (result) => {
  const until = Date.now() + PATIENCE_MS
  const look = () => {
    const app = document.querySelector("[data-testid=stApp]")
    const heading = document.querySelector(`.st-key-${result} :is(h1, h2, h3)`)
    const busy = app?.dataset.testScriptState !== "notRunning"
      || document.querySelector(`.st-key-${result} [data-testid=stSkeleton]`)
    if (busy || !heading) {
      if (Date.now() < until) setTimeout(look, 100)
      return
    }
    if (document.activeElement !== document.body) return
    heading.tabIndex = -1
    heading.focus({ preventScroll: !matchMedia("(max-width: 640px)").matches })
  }
  // Not at once: the rerun that brings the result has only begun.
  setTimeout(look, 300)
}

export default function ({ data, setTriggerValue }) {
  listening?.abort()
  listening = new AbortController()
  const { signal } = listening
  const input = () => document.querySelector(`.st-key-${data.zone} input[type=file]`)
  const zone = () => document.querySelector(`.st-key-${data.zone}`)

  if (data.changes && data.changes !== focused) {
    focused = data.changes
    focusResult(data.result)
  }

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

# sessionStorage belongs to one tab of one browser: it survives a reload, and no other tab, page or visitor reads it.
# A state and not a trigger: it is still there if a click on another page interrupts the run that it starts.
_TAB_JS = """
const KEY = "imgrec-tab"

export default function ({ data, setStateValue }) {
  try {
    const known = sessionStorage.getItem(KEY)
    if (known === data.id) return
    if (known && data.ask) setStateValue("known", known)
    else if (data.id) sessionStorage.setItem(KEY, data.id)
    else sessionStorage.removeItem(KEY)
  } catch {
    // Storage is forbidden in this browser: a reload starts anew.
  }
}
"""

_strip = st.components.v2.component(
    "imgrec_strip", html='<div class="strip" role="group"></div>', css=_STRIP_CSS, js=_STRIP_JS
)
_intake = st.components.v2.component("imgrec_intake", js=_INTAKE_JS)
_drawer = st.components.v2.component("imgrec_drawer", js=_DRAWER_JS)
_tab = st.components.v2.component("imgrec_tab", js=_TAB_JS)


def strip(
    label: str,
    tiles: Sequence[Tile],
    *,
    key: str,
    on_pick: Callable[[str], None],
    on_remove: Callable[[str], None] | None = None,
    on_more: Callable[[], None] | None = None,
    more: int = 0,
    side_px: int = 56,
) -> None:
    """Show a row of thumbnails, each a button; `on_pick` gets the id of the chosen one.

    `on_remove`: called with the id of a tile whose × was pressed; without it tiles have no ×.
    `more`: how many are not shown; `on_more` is called when they are asked for.
    """

    def picked() -> None:
        if chosen := st.session_state[key].picked:
            on_pick(chosen)

    def removed() -> None:
        if on_remove is not None and (chosen := st.session_state[key].removed):
            on_remove(chosen)

    def more_wanted() -> None:
        if on_more is not None and st.session_state[key].more:
            on_more()

    shown = [
        {
            "id": tile.id,
            "label": tile.label,
            "caption": tile.caption,
            "selected": tile.selected,
            "source": _data_url(tile.thumbnail),
        }
        for tile in tiles
    ]
    _strip(
        key=key,
        data={"label": label, "tiles": shown, "more": more, "side": side_px, "removable": on_remove is not None},
        on_picked_change=picked,
        on_removed_change=removed,
        on_more_change=more_wanted,
    )


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


def remember_tab(tab: str | None, *, ask: bool) -> str | None:
    """Have the browser's tab remember the id `tab`, or none.

    With `ask`, a tab that remembers another id from before a reload keeps that, and it is returned.
    """
    result = _tab(key="tab_memory", data={"id": tab, "ask": ask}, on_known_change=lambda: None, height=1)
    known = result.known
    return known if ask and isinstance(known, str) else None


def close_drawer(page: str) -> None:
    """Close the drawer of a narrow screen when `page` is another one than before."""
    _drawer(key="drawer", data={"page": page}, height=1)


def _data_url(image: bytes) -> str:
    kind = "png" if image.startswith(b"\x89PNG") else "webp" if image[8:12] == b"WEBP" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"
