"""Where labels, weights and pictures come from, and under which licence."""

import streamlit as st

from imgrec import samples
from imgrec.catalogue import CATALOGUE


def step(title: str, words: str) -> None:
    """One step of the explanation, as a card."""
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{title}**\n\n{words}")


def sources() -> None:
    """Labels and weights in words, pictures and models as tables."""
    st.markdown(
        """
- **Pictures that you bring** stay in this server's memory for your visit. They are written to no disk and sent nowhere.
- **Labels**: the 1,000 classes of ImageNet, told apart by WordNet 3.0 id (two of them are called *crane*); names and
  hypernym paths from WordNet, Princeton University.
- **Weights** of ImageNet's networks: the files that Keras publishes with `keras.applications`, checked against Keras'
  own hash where it has one. The small networks that come with imgrec were trained by this project on CIFAR-10
  (Krizhevsky 2009); a card beside each says how.
- **Accuracies** in the catalogue are their publishers'; each row names its source. Nothing measured here is mixed in.
"""
    )
    st.markdown("**Licences of the sample pictures**")
    st.table(
        [
            {
                "Picture": sample.title,
                "Author": sample.author,
                "Licence": sample.licence,
                "Source": sample.source,
                "Changes": sample.changes,
            }
            for sample in samples.get_samples()
        ],
        border="horizontal",
        alt="Sample pictures with author, licence and source",
    )
    st.markdown("**Licences of the weights**")
    by_licence: dict[str, list[str]] = {}
    for spec in CATALOGUE.values():
        by_licence.setdefault(spec.licence, []).append(spec.title)
    st.table(
        [{"Licence": licence, "Networks": ", ".join(titles)} for licence, titles in by_licence.items()],
        border="horizontal",
        alt="Networks by the licence of their weights",
    )
