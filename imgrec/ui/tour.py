"""Six short cards about what can be done here: at a browser's first visit above the Compare page, always on About.

They lie in the page and block nothing; the browser remembers that they were closed (see `assets/components/tour.js`).
"""

import streamlit as st

from imgrec.ui.elements import read_component

# Title and text of each card; one or two short sentences.
CARDS = (
    ("Drop an image.", "Or paste one, take a photo, or click a sample. Several images stay side by side."),
    ("Choose models.", "Each card is one model with its most probable classes. The first card is their ensemble."),
    (
        "Read the sentence first.",
        "It says what the models agree on and where they differ. Sure is not the same as right.",
    ),
    ("Change the question.", "Options has framing, rule, level (a dog, not which breed) and classes of your own."),
    (
        "Keep it.",
        "Copy link has every setting, History your latest results, and the report is a file to print or send.",
    ),
    (
        "Go on.",
        "Ensemble shows what each model adds, Benchmarks what is measured, and Train makes a model of your own.",
    ),
)

_KEY = "tour"

_tour = st.components.v2.component(
    "imgrec_tour", html=read_component("tour.html"), css=read_component("tour.css"), js=read_component("tour.js")
)


def show(*, always: bool = False) -> None:
    """Show the cards one after another; without `always` only until they were closed in this browser."""
    cards = [{"title": title, "text": text} for title, text in CARDS]
    key = f"{_KEY}_always" if always else _KEY
    with st.container(key=key):
        _tour(key=f"{key}_cards", data={"key": key, "cards": cards, "always": always})
