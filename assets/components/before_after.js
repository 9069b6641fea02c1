// Two images over each other and a line between them that the visitor moves: left of it the first, right of it the second.
export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".before-after")
  const [before, after] = root.querySelectorAll("img")
  const range = root.querySelector("input")
  before.src = data.before
  after.src = data.after
  before.alt = data.label
  after.alt = ""
  range.setAttribute("aria-label", `${data.label}: share of the original`)
  const move = () => {
    root.style.setProperty("--at", `${range.value}%`)
    range.setAttribute("aria-valuetext", `${range.value} % original, ${100 - range.value} % map`)
  }
  range.oninput = move
  move()
}
