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
    image.src = tile.thumbnail
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
