"""Charts: data in, Vega-Lite or Plotly out, each with a sentence that says the same. Knows no Streamlit and no files.

`theme`: colors, axes, tooltips.
`frames`: axes and padding.
`top_k`: bars of one prediction, of an ensemble, of memory.
`pareto`: accuracy against latency.
`metric_curves`: ROC, precision-recall, reliability, classes.
`confusion_matrix`: confusion and agreement.
`training`: curves of a run.
`transfer`: charts of transfer learning.
`hyperparameter_search`: charts of a search.
`parallel_coordinates`: all trials of a search.
`normalization_mistake`: a published mistake, repeated.
"""
