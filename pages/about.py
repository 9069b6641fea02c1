"""About: how imgrec works, what a network consists of, and where data and weights come from."""

import streamlit as st

from imgrec.ui import tour
from imgrec.ui.about import five_systems, network, normalization_mistake, sources

st.header("Tour", anchor=False)
tour.show(always=True)
st.header("How it works", anchor=False)
st.markdown(
    """
Most models here were trained on ImageNet: 1.28 million images of **1,000 classes**, from *tench* to *toilet tissue*.
A few small ones, trained by this project on CIFAR-10, have **ten classes**. For an image, a model returns one
probability per class; together they are 100\u202f%. A model can only choose among its classes: a face or a diagram gets
one of them, too, often with a high probability. That is why imgrec shows several models side by side.
"""
)
with st.grid(2, min_column_width=320):
    sources.step(
        "1 · Preprocessing",
        "The image is rotated by its EXIF orientation, converted to 8-bit sRGB, and transparency is placed on white. "
        "Each model then gets its own input size: the short side is resized and the center cropped, as published "
        "accuracies are measured. *What the models see* on the Compare page shows the result.",
    )
    sources.step(
        "2 · Prediction",
        "Each model is compiled once by OpenVINO and runs alone. The milliseconds on a card are those of the network, "
        "without loading and preprocessing. Predictions are cached for each image and model.",
    )
    sources.step(
        "3 · Ensemble",
        "The mean of the probabilities needs no tuning and is the default. Majority and rank vote, weights and the "
        "geometric mean are on the Ensemble page, with the contribution of each model and the result without it.",
    )
    sources.step(
        "4 · Uncertainty",
        "Entropy measures the uncertainty of all models together, mutual information the part that comes from their "
        "disagreement. The small models reply *most likely none of these* above an entropy that 95\u202f% of the test "
        "images of their classes stay below.",
    )
    sources.step(
        "5 · Training",
        "The Train page fine-tunes a pretrained model on images in class folders, or trains a network from scratch. A "
        "run is a process of its own: it continues without page, browser and server, and can be resumed. The trained "
        "model appears beside the others, with a model card.",
    )
    sources.step(
        "6 · Benchmarks",
        "The Benchmarks page shows measured results, each with its dataset, weights, machine and date: accuracies with "
        "confidence intervals, and tests whether two models differ. Published results have columns of their own.",
    )
st.header("What a network consists of", anchor=False)
network.layers()
network.toy()
st.header("A preprocessing bug, measured", anchor=False)
normalization_mistake.show()
five_systems.show()
st.header("Sources and licenses", anchor=False)
sources.sources()
