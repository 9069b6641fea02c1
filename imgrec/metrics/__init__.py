"""Pure functions of probabilities and targets. Knows no models, datasets or files.

`classification`: accuracy, log loss, Brier score.
`calibration`: calibration error, reliability, temperature scaling.
`confusion`: confusion matrix, precision, recall, F1, kappa.
`curves`: ROC, precision-recall, risk over coverage.
`significance`: Wilson, bootstrap, McNemar, Holm.
`ensemble_selection`: the rules over many images, the best subset of members.
"""
