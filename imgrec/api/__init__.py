"""The JSON API for programs.

Knows no Streamlit: the process that serves both hands its settings, pool and preparations in.

`routes`: `create` the API.
`contract`: the OpenAPI document of every address, type, limit and error; the routes are made from its list.
`schemas`: JSON schemas of the answers.
`contract_page`: the contract for people.
`uploads`: images and options, from forms and bodies.
`arriving`: the bodies that are on their way, and how much memory they take together.
`batch`: several images, a line for each.
`sheet`: the images of an archive.
`measured_datasets`: the datasets that models were measured on.
`kept_answers`: answers with an ETag.
`tokens`: bearer tokens, where the server has some.
`origins`: pages of other sites that may use the API.
`problems`: errors as problem details.
"""
