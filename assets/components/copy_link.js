// Copies the address of the page, which has every setting in it. The address is read at the click: the page writes the
// last choice into it when its run has ended.
const SAID_MS = 4_000

const copy = async (text) => {
  // Only pages over https, and those of this machine, have a clipboard.
  if (navigator.clipboard && window.isSecureContext) {
    try {
      return await navigator.clipboard.writeText(text).then(() => true)
    } catch {
      // Forbidden in this browser: the older way may still work.
    }
  }
  const field = document.createElement("textarea")
  field.value = text
  field.style.cssText = "position: fixed; opacity: 0"
  document.body.append(field)
  field.select()
  const done = document.execCommand("copy")
  field.remove()
  return done
}

export default function ({ parentElement, data }) {
  const button = parentElement.querySelector("button")
  const said = parentElement.querySelector("[role=status]")
  const label = button.querySelector("span")
  let timer
  label.textContent = data.label
  button.title = data.help
  button.onclick = async () => {
    const done = await copy(location.href)
    button.focus()
    clearTimeout(timer)
    // In the place of the label, so that nothing moves; the longer sentence beside it.
    said.textContent = done ? data.done : data.failed
    said.classList.toggle("unseen", done)
    label.textContent = done ? data.done : data.label
    timer = setTimeout(() => { said.textContent = ""; label.textContent = data.label }, SAID_MS)
  }
  return () => clearTimeout(timer)
}
