"""The Compare page.

`result_cards`: what is said about one image.
`downloads`: CSV, JSON and HTML files of a page.
`reproduce_panel`: the command and lines of Keras that repeat it.
`remote_panel`: a service asked about the image.
`matrix`: all models in one chart.
"""
