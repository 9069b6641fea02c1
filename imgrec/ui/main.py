"""The frame around every page: name, style, navigation, address, and the current catalog. Runs on every rerun."""

import streamlit as st

from imgrec.inference import turns
from imgrec.settings import APP, ASSETS
from imgrec.ui import caches, image_input, query_params
from imgrec.ui.elements import close_drawer

PAGES = APP / "pages"
# A local file: an icon by name would be fetched from a third server.
ICON = str(ASSETS / "icon.svg")

with turns.taken():
    st.set_page_config(page_title="imgrec", page_icon=ICON, layout="wide")
    st.logo(ICON, size="large")
    # What no theme option covers; each rule says why.
    st.html(ASSETS / "style.css")
    page = st.navigation(
        [
            st.Page(PAGES / "compare.py", title="Compare", icon=":material/compare:", default=True),
            st.Page(PAGES / "ensemble.py", title="Ensemble", icon=":material/join_inner:"),
            st.Page(PAGES / "explain.py", title="Explain", icon=":material/visibility:"),
            st.Page(PAGES / "contact_sheet.py", title="Contact sheet", icon=":material/grid_view:"),
            st.Page(PAGES / "lab.py", title="Lab", icon=":material/experiment:"),
            st.Page(PAGES / "benchmarks.py", title="Benchmarks", icon=":material/leaderboard:"),
            st.Page(PAGES / "train.py", title="Train", icon=":material/model_training:"),
            st.Page(PAGES / "models.py", title="Models", icon=":material/deployed_code:"),
            st.Page(PAGES / "about.py", title="About", icon=":material/info:"),
        ],
        position="top",
    )
    # Models of runs that have finished, in this process or in another, are on every page from now on.
    caches.renew_catalog()
    query_params.follow(page.url_path)
    query_params.write()
    image_input.survive_reload()
    # Errors in a link are known after the page has run; an empty container leaves no gap.
    complaints = st.container()
    page.run()
    with complaints:
        query_params.finish()
    close_drawer(page.url_path)
