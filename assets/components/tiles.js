export default function ({ parentElement, data, setTriggerValue }) {
  const list = parentElement.querySelector(".tiles")
  const focused = parentElement.activeElement?.dataset?.id
  const before = new Map([...list.children].map((item) => [item.dataset.id, item]))

  const span = (name, text) => {
    const part = document.createElement("span")
    part.className = name
    part.textContent = text
    return part
  }

  const make = (tile) => {
    const item = document.createElement("li")
    const button = document.createElement("button")
    button.type = "button"
    button.title = tile.title
    button.dataset.id = tile.id
    button.setAttribute("aria-label", `${tile.label}. Open on Compare`)
    button.onclick = () => setTriggerValue("picked", tile.id)
    const image = document.createElement("img")
    image.src = tile.thumbnail
    image.alt = ""
    const answer = document.createElement("span")
    answer.className = "answer"
    answer.append(span("", tile.answer), span("share", tile.share))
    button.append(image, answer)
    for (const [symbol, kind, text] of tile.lines) {
      const line = document.createElement("span")
      line.className = `line ${kind}`
      line.append(span("symbol", symbol), span("", text))
      button.append(line)
    }
    item.append(button)
    item.dataset.id = tile.id
    item.dataset.label = tile.label
    return item
  }

  // Tiles that are there already stay, so that nothing flickers while more images arrive.
  list.replaceChildren(...data.tiles.map((tile) => {
    const same = before.get(tile.id)
    return same?.dataset.label === tile.label ? same : make(tile)
  }))
  if (focused) list.querySelector(`button[data-id="${CSS.escape(focused)}"]`)?.focus()
}
