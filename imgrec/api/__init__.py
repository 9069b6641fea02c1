"""The JSON API for programs.

Knows no Streamlit: the process that serves both hands its settings, pool and preparations in.

`routes`: `create` the API.
`arriving`: the bodies that are on their way, and how much memory they take together.
`sheet`: the images of an archive.
"""
