"""Labeled image datasets: reading, collecting, splitting, features.

Knows no metrics of models and no training; the checks of a dataset are in `quality`.

`dataset`: labeled images in arrays, for training.
`labeled_images`: labeled images read one by one, for evaluation.
`reader`: decode ahead of a consumer.
`archives`: folders, zip and tar as one stream of files.
`folders`: class and split from folder names.
`label_csv`: `labels.csv`.
`npz`: arrays of an .npz within a memory limit.
`memmap`: rows in memory or on disk.
`cifar10`: CIFAR-10 as published.
`splits`: stratified, grouped folds.
`collections`: datasets made by dropping images.
`features`: cached outputs of a backbone.
"""
