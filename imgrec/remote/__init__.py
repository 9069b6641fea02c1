"""Classifiers that a service runs: off by default, never in a demo, each image only where it was asked for.

What they answer is not what a network of the catalog does: labels of any kind with a confidence each, which do not
exclude each other. They can be rolled up to the visitor's own classes and scored, and are never averaged.

`classifier`: `RemoteClassifier`, what every service is here; its answers and times.
`cloud_vision`: Google Cloud Vision.
`monthly_budget`: how many images a month may be sent, kept on the disk.
`own_classes`: answers as the visitor's own classes, right or wrong.
`rows`: the answers for many images, in words and as files.
`services`: the services by name.
"""
