"""Timings against what people write today; run by hand, see bench/README.md."""
