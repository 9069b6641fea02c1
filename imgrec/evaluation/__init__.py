"""Models on many images: contact sheets, and from stored predictions to figures with intervals and comparisons.

Knows no interface and no training.

`evaluate`: run a model over a dataset and time it.
`shards`: the shards of an evaluation, and their files.
`mirror`: results in a store, in a folder meanwhile.
`arrivals`: a folder that grows, in shards that stay.
`shard_work`: the images of shards become answers.
`prediction_shards`: images classified in shards, and their files.
`stored_predictions`: the files of an evaluation.
`metrics_row`: stored predictions to one row of figures.
`aligned_results`: several models on the same images.
`options`: the options of a classification, by the words of a caller.
`temperatures`: the measured temperature of each model.
`preprocessing_probe`: the preprocessing of an added model, found by trying each.
`comparisons`: Pareto frontier, pair tests, mistakes.
`compact_loss`: what a compact twin loses.
`held_out`: the images that were held back from a trained model.
`twin_facts`: what the export of a compact twin says of it.
`selective_prediction`: the risk of what is kept.
`reference_tables`: published comparisons.
`five_systems`: what five published systems did.
`model_facts`: what a model is and what its training took.
`contact_sheet`: many images, with the first choice of every model.
`true_classes`: the true classes of images, in those of the models.
`sheet_order`: a contact sheet sorted, filtered, summed up.
`sheet_files`: a contact sheet as CSV, JSON, Parquet.
"""
