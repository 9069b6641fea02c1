// Enter in a search field presses the button of the first match. What is typed reaches the server a moment later: where
// the matches are still those of an earlier text, the press waits for the new ones.
const SETTLED_MS = 200

let waits = false

export default function ({ data }) {
  const field = () => document.querySelector(`.st-key-${data.field} input`)
  const press = () => {
    waits = field()?.value.trim() !== data.text
    if (!waits) document.querySelector(`.st-key-${data.button} button`)?.click()
  }
  const onKey = (event) => {
    if (event.key === "Enter" && !event.isComposing && event.target === field()) press()
  }
  // The button of the new text is drawn a moment after this call.
  const timer = waits && setTimeout(press, SETTLED_MS)
  // In the capture phase: the field itself stops the event.
  document.addEventListener("keydown", onKey, true)
  return () => {
    clearTimeout(timer)
    document.removeEventListener("keydown", onKey, true)
  }
}
