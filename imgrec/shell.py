"""The frame around every page: its name, its navigation, and nothing else. Runs on every rerun."""

import streamlit as st

from imgrec.settings import ASSETS, ROOT

PAGES = ROOT / "pages"
# A file of ours: an icon by name would be fetched from somebody else's server.
ICON = str(ASSETS / "icon.svg")

st.set_page_config(page_title="imgrec", page_icon=ICON, layout="wide")
st.logo(ICON, size="large")
page = st.navigation(
    [
        st.Page(PAGES / "compare.py", title="Compare", icon=":material/compare:", default=True),
        st.Page(PAGES / "ensemble.py", title="Ensemble", icon=":material/join_inner:"),
        st.Page(PAGES / "benchmarks.py", title="Benchmarks", icon=":material/leaderboard:"),
        st.Page(PAGES / "train.py", title="Train", icon=":material/model_training:"),
        st.Page(PAGES / "models.py", title="Models", icon=":material/deployed_code:"),
        st.Page(PAGES / "about.py", title="About", icon=":material/info:"),
    ],
    position="top",
)
page.run()
