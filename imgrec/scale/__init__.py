"""Evaluations and classifications on a cluster of Ray: the same shards, by workers of which any may die.

Knows no interface. Ray is optional (`pip install "imgrec[ray]"`) and imported when a cluster is opened.

`shard_queue`: what each worker does next, and what failed too often.
`shard_actor`: a worker: a network that is loaded, and the shards that it runs.
`cluster`: a cluster that is reached or started, and its nodes with the right versions.
`workers`: where workers have room, and shards run by them.
`classifying_actor`: a worker that classifies images with several models.
`ray_engine`: the engines of evaluations and classifications.
"""
