"""Compare Keras pretrained image classifiers side by side, average them, measure them, teach them."""

__version__ = "0.1.0"
