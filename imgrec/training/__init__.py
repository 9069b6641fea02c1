"""Training from scratch, transfer learning, hyperparameter search.

Knows no interface; TensorFlow is imported in the workers only.

`recipes`: the rows of what can be trained.
`networks`: networks from scratch and on backbones.
`backbones`: pretrained networks without their top.
`heads`: the dense layers on a backbone.
`optimizers`: optimizers and schedules.
`augmentation`: random changes of an image.
`input_normalization`: channel statistics and whitening.
`batches`: shuffled, augmented batches.
`train_step`: one compiled step, checkpoints.
`trainer`: the loop over epochs.
`array_archives`: the npz files of a run.
`cross_validation`: learning rates and folds.
`fine_tuning`: the last layers of a backbone.
`events`: what a run writes in its log.
`trial_results`: the figures of trials.
`trained_model`: measure, publish and evaluate a new model.
`training_job`: start and read a training from scratch.
`training_worker`: its worker process.
`transfer_config`: the settings of a transfer learning run.
`transfer_job`: start and read a transfer learning run.
`transfer_worker`: its worker process.
`search_spaces`: ranges of hyperparameters.
`search_job`: start and read a search.
`search_worker`: its worker process.
`transfer_stages`: stages of a transfer learning run.
`pb3`: the protocol of PB3 as a sequence of runs.
`pb3_runs`: these runs, one after another.
`pb3_tables`: its tables, the printed figures beside.
`pb3_report`: its report.
`run_summary`: status and outcome of a run in words.
`training_log`: `TrainingLog`, from imgrec or from elsewhere.
`log_builder`: collects the figures of a log.
`log_lines`: bytes of a file as the lines of a log.
`progress_bars`: Keras' progress bar.
`log_tables`: logs as CSV and as lists of numbers.
`log_json`: logs as JSON and as JSON lines.
`log_files`: `read` a log of any form.
`log_export`: a log as files.
`published_logs`: printed epochs, and their times.
"""
