"""Compare Keras pretrained image classifiers side by side, combine them, evaluate them, train and fine-tune them."""

__version__ = "0.1.0"
