// Six cards at the first visit of this browser, above the page and never over it. What has been read or closed is
// remembered by the browser alone: nothing is sent to the server.
const KEY = "imgrec-tour"

// In case that storage is forbidden in this browser: as long as the page is open.
let closed = false
let place = 0

const isDone = () => {
  try {
    return closed || localStorage.getItem(KEY) === "done"
  } catch {
    return closed
  }
}

const remember = () => {
  closed = true
  try {
    localStorage.setItem(KEY, "done")
  } catch {
    // Then it comes again with the next visit.
  }
}

export default function ({ parentElement, data }) {
  const tour = parentElement.querySelector(".tour")
  const holder = parentElement.host?.closest(`.st-key-${data.key}`)
  const part = (name) => tour.querySelector(`.${name}`)

  const show = (isShown) => {
    tour.hidden = !isShown
    // Hidden, it takes no room (see assets/style.css).
    if (holder) holder.style.position = isShown ? "static" : ""
  }
  const close = () => {
    remember()
    show(false)
    // The focus would fall to the top of the document.
    const next = document.querySelector("[data-testid=stMain] :is(h1, h2, h3)")
    if (next) {
      next.tabIndex = -1
      next.focus({ preventScroll: true })
    }
  }
  const draw = () => {
    const card = data.cards[place]
    const last = place === data.cards.length - 1
    part("count").textContent = `${place + 1} of ${data.cards.length}`
    part("title").textContent = card.title
    part("text").textContent = card.text
    part("back").disabled = place === 0
    part("next").textContent = last && !data.always ? "Done" : "Next"
    part("next").disabled = last && data.always
    part("close").hidden = data.always
  }
  const turn = (step) => {
    if (place + step >= data.cards.length) {
      if (!data.always) close()
      return
    }
    place = Math.max(0, place + step)
    draw()
    // A button that is disabled now has lost the focus.
    const wanted = step > 0 ? part("next") : part("back")
    ;(wanted.disabled ? (step > 0 ? part("back") : part("next")) : wanted).focus()
  }

  part("back").onclick = () => turn(-1)
  part("next").onclick = () => turn(1)
  part("close").onclick = close
  tour.onkeydown = (event) => {
    if (event.key === "ArrowRight") turn(1)
    else if (event.key === "ArrowLeft") turn(-1)
    else if (event.key === "Escape" && !data.always) close()
    else return
    event.preventDefault()
  }
  draw()
  show(data.always || !isDone())
}
