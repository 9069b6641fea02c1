"""The Train page.

`form_fields`: what the forms share.
`scratch_form`: training from scratch.
`transfer_form`: transfer learning.
`augmentation_fields`: augmentation as sliders, with a preview.
`search_form`: hyperparameter search.
`dataset_preview`: the images of a dataset.
`collect_images`: a dataset made by dropping images.
`data_quality`: the dataset check in the background, and its findings.
`runs`: every run, and the one that is shown.
`transfer_progress`: a transfer learning run.
`search_progress`: every search, and the one that is shown.
`model_preview`: the newest classifier of a run, tried on an image.
`run_charts`: learning curves and confusion.
`training_logs`: logs from anywhere, over each other.
`model_export`: downloading a model.
"""
