"""How a network works: its layers in words and numbers, and a network so small that one can watch it learn."""

import streamlit as st

from imgrec import anatomy, cards
from imgrec.anatomy import Layer
from imgrec.formatting import percent

# The course network: every layer is one of six kinds, and it comes with imgrec.
SHOWN = "capstone_cnn"

# After the last of these nothing changes any more that four digits would show.
STEPS = (0, 1, 10, 30, 100, 200)


def layers() -> None:
    """The layers of the course network as a table, what each kind does, and where the parameters are."""
    card = cards.read(cards.BUNDLED / f"{SHOWN}.json")
    rows = _layers()
    total = sum(layer.parameters for layer in rows)
    largest = max(rows, key=lambda layer: layer.parameters)
    st.markdown(
        f"""
A network is a chain of layers; each turns numbers into other numbers. This is **{card.spec(bundled=True).title}**, as
it comes with imgrec: {len(rows)} layers, {total:,} parameters, that is numbers which were learned from pictures.

- **Convolution**: a small filter is laid on every place of the picture, and says how much the place looks like it. The
  same few numbers serve everywhere: (height × width × channels + 1) × filters, the 1 being each filter's bias.
- **Max-pooling** keeps the largest of each four numbers: what was found counts, not exactly where. **Dropout** leaves
  numbers out at random while the network learns, so that it relies on none of them; afterwards it does nothing. Neither
  has anything to learn: **0 parameters**.
- **Dense**: each result is a weighted sum of all numbers before it: (inputs + 1) × outputs. Here one such layer has
  {percent(largest.parameters / total, 0)} of all parameters.
"""
    )
    st.table(
        [
            {
                "Layer": layer.kind,
                "What it does": layer.about,
                "What comes out": " × ".join(f"{side:,}" for side in layer.output),
                "Parameters": f"{layer.parameters:,}",
            }
            for layer in rows
        ]
        + [{"Layer": "Together", "What it does": "", "What comes out": "", "Parameters": f"{total:,}"}],
        border="horizontal",
        alt=f"The layers of {SHOWN}, from the picture to the probabilities, {total:,} parameters together",
    )


def toy() -> None:
    """A network of three parameters, which learns to add two numbers."""
    st.markdown(
        "**Watch one learn.** The smallest network has one dense layer of one sum: *y* = *w*₁ · *a* + *w*₂ · *b* + "
        "bias. It starts with numbers that make no sense. In each step it looks at 25 sums, and each of its three "
        "numbers is moved a little in the direction that makes the error smaller. Nobody tells it what adding is."
    )
    steps = st.select_slider("Steps of learning", STEPS, value=STEPS[0], key="toy_steps", width=360)
    w1, w2, bias = anatomy.learn_to_add(steps)
    st.markdown(
        f"After {steps} steps: *y* = {_signed(w1).removeprefix('+ ')} · *a* {_signed(w2)} · *b* {_signed(bias)}. "
        f"Asked for 2 + 3, which it has never seen, it says **{2 * w1 + 3 * w2 + bias:.3f}**."
    )


@st.cache_data(show_spinner=False)
def _layers() -> list[Layer]:
    return anatomy.read(cards.BUNDLED / f"{SHOWN}.keras")


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else '−'} {abs(value):.3f}"
