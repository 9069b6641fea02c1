"""The JSON API for programs.

Knows no Streamlit: the process that serves both hands its settings, pool and preparations in.

`routes`: `create` the API.
`sheet`: the images of an archive.
"""
