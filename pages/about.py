"""About: how it works, in words, and where everything comes from."""

import streamlit as st

from imgrec.ui import anatomy, provenance

st.header("How it works", anchor=False)
st.markdown(
    """
Most networks here were trained on ImageNet: 1.28 million photographs in **1,000 classes**, from *tench* to *toilet
tissue*; a few small ones, trained by this project, know CIFAR-10's **ten** and nothing else. Shown a picture, a network
gives each class a probability; together they are 100 %. It must choose among its classes: a face or a diagram gets one
too, often with little doubt. That is why imgrec shows several networks at once, and says "most likely none of these"
where the small ones doubt more than they do about 95 % of the pictures of their own classes.
"""
)
with st.grid(2, min_column_width=320):
    provenance.step(
        "1 · The picture is made fit",
        "It is turned upright by its EXIF tag, brought to 8-bit sRGB, and transparency is put on white. Whatever was "
        "changed stands under the picture. Each network then gets it at the size that it was trained for: the short "
        "side is resized and the centre cut out, as published accuracies are measured. *What the models see* shows it.",
    )
    provenance.step(
        "2 · The networks answer",
        "Each one runs compiled, one after another, the small ones first. The milliseconds on a card are the network "
        "alone, warm; loading it is said apart. Probabilities are computed once for each picture and network.",
    )
    provenance.step(
        "3 · The answers are combined",
        "The mean of probabilities is a strong rule that needs no tuning. Votes, ranks, weights and the geometric mean "
        "are on the Ensemble page, with what each member adds and what would change without it.",
    )
    provenance.step(
        "4 · Doubt is measured",
        "Entropy says how unsure they are together, mutual information how much of that is because they contradict "
        "each other, disagreement how many pairs choose differently. High doubt is a reason to look again.",
    )
    provenance.step(
        "5 · Networks are trained",
        "On the Train page, from pictures in class folders: from scratch, or taught on top of a network that has seen "
        "millions. A run is a process of its own that survives the page, the browser and the server; what it makes "
        "stands beside the others at once, with a card that says how it came about.",
    )
    provenance.step(
        "6 · Everything is measured",
        "The Benchmarks page shows measured results only: each figure with its pictures, weights, machine and date, "
        "accuracies with intervals, and whether two networks can be told apart at all on so many pictures. What "
        "others published stands in columns of its own.",
    )
st.header("What a network is made of", anchor=False)
anatomy.layers()
anatomy.toy()
st.header("Where things come from", anchor=False)
provenance.sources()
