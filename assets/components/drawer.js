// On a phone the navigation is a drawer, and Streamlit leaves it open over the page that was chosen in it.
let shown

export default function ({ data }) {
  const drawer = document.querySelector("[data-testid=stSidebar]")
  const isOpen = drawer && drawer.getBoundingClientRect().right > 0
  if (isOpen && shown !== undefined && shown !== data.page)
    drawer.querySelector("[data-testid=stSidebarCollapseButton] button")?.click()
  shown = data.page
}
