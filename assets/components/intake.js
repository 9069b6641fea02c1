// Images pasted or dropped anywhere on the page go into Streamlit's own uploader, so that their bytes are sent as all
// uploads are (plain HTTP, with its limit), not through the web socket. Files that the uploader will refuse for their
// size are reported, because its own message vanishes with the next rerun.
//
// The element with the focus (a sample, the uploader) is gone when its image has been taken. Then the focus goes to the
// heading of the result, so that a screen reader reads it and the next Tab starts there.
let listening
let refused = false
let focused = 0

// Models may have to be loaded first.
const PATIENCE_MS = 60_000

// In this time the uploader has its addresses, also from a busy server.
const ADDRESSES_MS = 1_500

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
    if (large.length || refused) {
      // The uploader has just asked the server where to send the other files. A rerun that begins now would drop the
      // answer, which Streamlit does not keep, and with it these files.
      setTimeout(() => setTriggerValue("too_large", large), large.length < files.length ? ADDRESSES_MS : 0)
    }
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
