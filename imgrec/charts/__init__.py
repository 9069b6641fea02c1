"""Charts: data in, Vega-Lite or Plotly out, each with a sentence that says the same. Knows no Streamlit and no files.

`colors`: colors and the mark of each model.
`theme`: Altair templates, axes, tooltips, names.
`bars`: labels, bars, figures.
`line_chart`: lines of several series.
`top_k`: predictions and ensembles.
`agreement_matrix`: labels against models.
`memory_budget`: memory of the loaded models.
`pareto`: accuracy against latency.
`metric_curves`: ROC, precision-recall, reliability, classes.
`confusion_matrix`: confusion and agreement.
`learning_curves`: accuracy and loss of a training.
`training_logs`: any figure of several trainings.
`robustness`: probabilities and accuracy over the strength of damage.
`transfer`: learning rates and the preview of a classifier.
`hyperparameter_search`: trials over their size.
`parallel_coordinates`: all trials of a search.
"""
