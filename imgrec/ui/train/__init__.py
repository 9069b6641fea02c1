"""The Train page.

`scratch_form`: training from scratch.
`transfer_form`: transfer learning.
`search_form`: hyperparameter search.
`dataset_preview`: the images of a dataset.
`collect_images`: a dataset made by dropping images.
`data_quality`: the doctor in the background.
`findings`: what the doctor found.
`runs`: every run, and the one that is shown.
`transfer_progress`: a transfer learning run.
`curves`: learning curves and confusion.
`model_export`: downloading a model.
"""
