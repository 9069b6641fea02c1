"""The About page.

`five_systems`: what five published systems did, and what is measured here.
`network`: the layers of a network, a neuron to play with.
`normalization_mistake`: a published mistake, repeated.
`sources`: licenses and sources.
"""
