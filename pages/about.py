"""About: how it works, in words, and where everything comes from."""

import streamlit as st

from imgrec.ui import provenance

st.header("How it works", anchor=False)
st.markdown(
    """
Most networks here were trained on ImageNet: 1.28 million photographs in **1,000 classes**, from *tench* to *toilet
tissue*; a few small ones, trained by this project, know CIFAR-10's **ten** and nothing else. Shown a picture, a network
gives each class a probability; together they are 100 %. It cannot say "none of these": a face or a diagram gets some
class too, often with little doubt. That is why imgrec shows several networks at once.
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
st.header("Where things come from", anchor=False)
provenance.sources()
