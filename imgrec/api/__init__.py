"""The HTTP interface: the JSON API, the health checks, compressed static files.

Knows no Streamlit: the process that serves both hands its settings, pool and preparations in.

`routes`: `create` the API, `create_health_routes`.
`sheet`: the images of an archive.
`compression`: `CompressedFiles`, gzip for the files of the interface.
"""
