"""Labeled image datasets: reading, collecting, splitting, features.

Knows no metrics of models and no training; the checks of a dataset are in `quality`.

`dataset`: `Dataset`, read one by one, and `ArrayDataset`.
`sources`: every place that images come from.
`archives`: folders, zip, tar and stores as one stream of files.
`stores`: files at addresses such as s3://bucket/folder.
`packed_images`: images in few large files.
`parquet_images`: bytes of images in rows of Parquet.
`webdataset`: images in tars of samples.
`image_paths`: images from files, folders and archives as one list.
`unlabeled_images`: images to be classified, from any number of places.
`temporary_files`: uploads on the disk.
`folders`: class and part from folder names, `split.csv` or `labels.csv`.
`array_files`: `.npz`, and CIFAR-10 as published.
`reader`: read and decode ahead of a consumer.
`training_arrays`: a dataset in arrays, for training.
`evaluation_split`: what models are measured on.
`classes`: classes of a dataset, checked and matched with a model's.
`splits`: stratified, grouped splits and folds.
`collections`: datasets made by dropping images.
`features`: cached outputs of a backbone.
"""
