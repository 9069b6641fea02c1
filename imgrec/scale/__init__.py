"""Work on a cluster of Ray: evaluations and classifications in shards, and models that dashboards and APIs ask.

Knows no interface. Ray is optional (`pip install "imgrec[ray]"`) and imported when a cluster is opened.

`shard_queue`: what each worker does next, and what failed too often.
`shard_actor`: a worker: a network that is loaded, and the shards that it runs.
`cluster`: a cluster that is reached or started, and its nodes with the right versions.
`workers`: where workers have room, and shards run by them.
`classifying_actor`: a worker that classifies images with several models.
`ray_engine`: the engines of evaluations and classifications.
`replica`: a process that holds a network and computes for dashboards and APIs; the files that it needs.
`serve_engine`: a model behind Ray Serve as an engine.
`deployments`: applications of Ray Serve, one a model.
`driver`: the process in which a server has Ray, because Ray may end it.
`serving`: which engine a server uses.
"""
