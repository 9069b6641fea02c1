"""The layers of a small CNN, and a network of three parameters whose training can be followed."""

import streamlit as st

from imgrec.models import cards, layer_table
from imgrec.models.layer_table import Layer

# Bundled, and a plain chain of the usual layers.
SHOWN = "capstone_cnn"

# After the last of these, the three digits that are shown do not change any more.
STEPS = (0, 1, 10, 30, 100, 200)


def layers() -> None:
    """Show the layers of the network with their parameters, and what each kind computes."""
    card = cards.read(cards.BUNDLED / f"{SHOWN}.json")
    rows = _layers()
    total = sum(layer.parameters for layer in rows)
    largest = max(rows, key=lambda layer: layer.parameters)
    st.markdown(
        f"""
A network is a chain of layers; each computes an array from the one before. This is **{card.spec(bundled=True).title}**,
one of the small models: {len(rows)} layers and {total:,} parameters, which are learned from images.
"""
    )
    st.table(
        [
            {
                "Layer": layer.kind,
                "Operation": layer.about,
                "Output shape": " × ".join(f"{side:,}" for side in layer.output),
                "Parameters": f"{layer.parameters:,}",
            }
            for layer in rows
        ]
        + [{"Layer": "Total", "Operation": "", "Output shape": "", "Parameters": f"{total:,}"}],
        border="horizontal",
        alt=f"Layers of {SHOWN} from the image to the probabilities; {total:,} parameters in total",
    )
    with st.expander("What each kind of layer computes", icon=":material/layers:"):
        st.markdown(
            f"""
- **Convolution** moves small filters over the image; each output says how well the filter matches at that place. The
  same filter is used everywhere: (height × width × channels + 1) × filters parameters, the 1 being the bias.
- **ReLU** sets negative values to 0. **Softmax** turns the last values into probabilities. Neither has parameters.
- **Max-pooling** keeps the largest value of each window and so halves height and width. **Dropout** sets values to 0
  at random in training, which reduces overfitting. Neither has parameters.
- **Dense**: each output is a weighted sum of all inputs: (inputs + 1) × outputs parameters. One dense layer here has
  {100 * largest.parameters / total:.0f}\u202f% of all parameters.
"""
        )


def toy() -> None:
    """Show a network of three parameters that learns to add two numbers."""
    st.markdown(
        "**Training, step by step.** The smallest network is one dense unit: *y* = *w*₁ · *a* + *w*₂ · *b* + bias. "
        "Here it learns to add. Each step of gradient descent computes the error on 25 sums and moves the three "
        "parameters a little in the direction that reduces it."
    )
    steps = st.select_slider("Training steps", STEPS, value=STEPS[0], key="toy_steps", width=360)
    w1, w2, bias = layer_table.learn_to_add(steps)
    st.markdown(
        f"After {steps} steps: *y* = {_signed(w1).removeprefix('+ ')} · *a* {_signed(w2)} · *b* {_signed(bias)}. "
        f"Its prediction for 2 + 3, which is not among the training examples: **{2 * w1 + 3 * w2 + bias:.3f}**."
    )


@st.cache_data(show_spinner=False)
def _layers() -> list[Layer]:
    return layer_table.read(cards.BUNDLED / f"{SHOWN}.keras")


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else '−'} {abs(value):.3f}"
