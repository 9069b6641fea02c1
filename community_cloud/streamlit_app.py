"""The launcher for Streamlit Community Cloud: app.py, open to others by the configuration beside it."""

import os
import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

# The names of the proxy in front are not known here, nor who frames the app; there is nothing but a demo to protect.
os.environ.setdefault("IMGREC_HOSTS", "*")
os.environ.setdefault("IMGREC_FRAMES", "https://*.streamlit.app, https://*.streamlit.io")

from app import SCRIPT, lifespan, middleware, routes

app: st.App = st.App(SCRIPT, lifespan=lifespan, routes=routes, middleware=middleware)
