"""The kinds of layers in a compiled network, and one plain sentence that says what each computes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LayerKind:
    """A kind of layer: its title, and a sentence that says what it computes from the values before it."""

    title: str
    sentence: str


_ACTIVATION = "It treats each value alone and keeps height, width and channels."

LAYER_KINDS = {
    "input": LayerKind(
        "Input",
        "The image as numbers: each pixel has three, the strengths of red, green and blue from 0 to 255.",
    ),
    "normalization": LayerKind(
        "Normalization",
        "Shifts and scales the numbers of the pixels to the range that the network was trained on.",
    ),
    "convolution": LayerKind(
        "Convolution",
        "Moves small filters over the image. Each channel says where one filter's pattern is: edges and colors in the "
        "first layers, parts of objects in the last.",
    ),
    "pointwise": LayerKind(
        "1 × 1 convolution",
        "Mixes the channels at each position by itself: each new channel is a weighted sum of the channels before.",
    ),
    "depthwise": LayerKind(
        "Depthwise convolution",
        "Moves one small filter over each channel by itself and mixes none of them, which takes few parameters.",
    ),
    "grouped": LayerKind(
        "Grouped convolution",
        "A convolution in which each filter sees only some of the channels.",
    ),
    "batch_normalization": LayerKind(
        "Batch normalization",
        "Shifts and scales each channel by the mean and the spread that it had in training, so that all channels are "
        "of similar size.",
    ),
    "layer_normalization": LayerKind(
        "Layer normalization",
        "Shifts and scales the values at each position by their own mean and spread, then each channel by a learned "
        "factor.",
    ),
    "relu": LayerKind("ReLU", f"Sets negative values to 0: a pattern that is absent is not reported. {_ACTIVATION}"),
    "relu6": LayerKind("ReLU6", f"Sets negative values to 0 and values above 6 to 6. {_ACTIVATION}"),
    "clip": LayerKind("Clipping", f"Sets values outside of a range to its ends. {_ACTIVATION}"),
    "swish": LayerKind("Swish", f"Keeps large values and turns negative ones to nearly 0, smoothly. {_ACTIVATION}"),
    "gelu": LayerKind("GELU", f"Keeps large values and turns negative ones to nearly 0, smoothly. {_ACTIVATION}"),
    "sigmoid": LayerKind("Sigmoid", f"Turns each value into one from 0 to 1. {_ACTIVATION}"),
    "tanh": LayerKind("Tanh", f"Turns each value into one from −1 to 1. {_ACTIVATION}"),
    "max_pooling": LayerKind(
        "Max-pooling",
        "Keeps the largest value of each small window: the maps become smaller, and a pattern may move a little.",
    ),
    "average_pooling": LayerKind(
        "Average pooling", "Keeps the mean of each small window: the maps become smaller and smoother."
    ),
    "global_average_pooling": LayerKind(
        "Global average pooling",
        "Keeps the mean of each channel: how much of its pattern there is, and no longer where.",
    ),
    "global_max_pooling": LayerKind(
        "Global max-pooling",
        "Keeps the largest value of each channel: whether its pattern is anywhere, and no longer where.",
    ),
    "addition": LayerKind(
        "Addition",
        "Adds what an earlier layer computed, position by position: the layers between only have to correct it.",
    ),
    "concatenation": LayerKind(
        "Concatenation", "Puts the channels of several layers one after another; no value changes."
    ),
    "scaling": LayerKind(
        "Scaling", "Multiplies the channels by weights that the network has computed from the image itself."
    ),
    "flatten": LayerKind("Flatten", "Puts all values in one row, which a dense layer needs; no value changes."),
    "dense": LayerKind("Dense", "Each output is a weighted sum of all inputs: here everything is taken together."),
    "dropout": LayerKind(
        "Dropout",
        "In training it sets some values to 0 at random and enlarges the others to make up for it, so that no unit "
        "relies on one other. After training it does nothing: these are the values of the layer before.",
    ),
    "softmax": LayerKind(
        "Softmax",
        "Turns the last values, the logits, into probabilities: all are from 0 to 1, and together they are 1.",
    ),
}
