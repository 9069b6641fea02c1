"""The launcher for Streamlit Community Cloud: app.py, open to others by the configuration beside it."""

import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app import SCRIPT, lifespan, middleware, routes

app: st.App = st.App(SCRIPT, lifespan=lifespan, routes=routes, middleware=middleware)
