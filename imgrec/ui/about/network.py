"""The layers of a small CNN, and a network of three parameters whose training can be followed."""

import numpy as np
import streamlit as st

from imgrec.models import cards
from imgrec.models.catalog import BUILT_IN
from imgrec.models.layer_table import Layer, read_layers

# Bundled, and a plain chain of the usual layers.
SHOWN = "capstone_cnn"

# After the last of these, the three digits that are shown do not change any more.
STEPS = (0, 1, 10, 30, 100, 200)

# Two weights and a bias, far from (1, 1, 0), which adds.
START = (-0.4, 0.3, 0.5)
LEARNING_RATE = 0.5


def layers() -> None:
    """Show the layers of the network with their parameters, and what each kind computes."""
    rows = _layers()
    total = sum(layer.parameters for layer in rows)
    largest = max(rows, key=lambda layer: layer.parameters)
    st.markdown(
        f"""
A network is a chain of layers; each computes an array from the one before. This is **{BUILT_IN[SHOWN].title}**,
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
    w1, w2, bias = learn_to_add(steps)
    st.markdown(
        f"After {steps} steps: *y* = {_signed(w1).removeprefix('+ ')} · *a* {_signed(w2)} · *b* {_signed(bias)}. "
        f"Its prediction for 2 + 3, which is not among the training examples: **{2 * w1 + 3 * w2 + bias:.3f}**."
    )


def learn_to_add(steps: int) -> tuple[float, float, float]:
    """Return (w₁, w₂, bias) of y = w₁·a + w₂·b + bias after `steps` of gradient descent on sums of two numbers.

    Each step uses the mean squared error on 25 sums of numbers in [0, 1]. It starts from `START`, so that equal
    `steps` give equal results.

    >>> [round(value, 3) + 0 for value in learn_to_add(1000)]
    [1.0, 1.0, 0.0]
    """
    a, b = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 5)))
    inputs = np.stack([a, b, np.ones_like(a)])  # (3, 25)
    weights = np.array(START)
    for _ in range(steps):
        error = weights @ inputs - (a + b)
        weights = weights - LEARNING_RATE * 2 * inputs @ error / len(a)
    w1, w2, bias = weights.tolist()
    return w1, w2, bias


@st.cache_data(show_spinner=False)
def _layers() -> list[Layer]:
    return read_layers(cards.BUNDLED / f"{SHOWN}.keras")


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else '−'} {abs(value):.3f}"
