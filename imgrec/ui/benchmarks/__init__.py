"""The Benchmarks page.

`overview`: dataset, models and view.
`measurements`: cached measurements and their words.
`leaderboard`: every model with its figures.
`pairs`: accuracy against latency, pairs of models.
`confusion`: confusion matrix and errors.
`curves`: ROC, precision-recall, reliability, classes.
`robustness`: accuracy over the strength of damage.
`unsure`: risk of what is kept, images without a class.
`ensembles`: the ensemble builder.
`image_files`: the images of a dataset, where they are at hand.
`image_maps`: heat-maps of these images.
`provenance`: where each figure comes from.
`published_epochs`: the epochs that publications printed.
"""
