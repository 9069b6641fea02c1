"""Work on a cluster of Ray: evaluations, the same shards by workers of which any may die, and models that answer.

Knows no interface. Ray is optional (`pip install "imgrec[ray]"`) and imported when a cluster is opened.

`shard_queue`: what each worker does next, and what failed too often.
`shard_actor`: a worker: a network that is loaded, and the shards that it runs.
`cluster`: a cluster that is reached or started, and its nodes with the right versions.
`ray_engine`: shards run by the workers of a cluster.
`replica`: a process that holds a network and computes for dashboards and APIs; the files that it needs.
`serve_engine`: a model behind Ray Serve as an engine.
`deployments`: applications of Ray Serve, one a model.
`serving`: which engine a server uses.
"""
