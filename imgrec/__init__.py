"""Compare Keras pretrained image classifiers side by side, average them, measure them, fine-tune them."""

__version__ = "0.1.0"
