"""Training from scratch: recipes as data, and the worker that follows them. TensorFlow runs in workers only."""
