// sessionStorage belongs to one tab of one browser: it survives a reload, and no other tab, page or visitor reads it.
// A state and not a trigger: it is still there if a click on another page interrupts the run that it starts.
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
