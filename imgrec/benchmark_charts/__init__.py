"""Measured figures → Vega-Lite charts, each with a sentence that says the same. No Streamlit; see `charts`.

`matrices` are squares with figures, `frontiers` accuracy against latency, `lines` curves, bars and reliability.
"""
