"""The Compare page.

`result_cards`: what is said about one image.
`matrix`: all models in one chart.
"""
