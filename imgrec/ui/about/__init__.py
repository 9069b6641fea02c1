"""The About page.

`network`: the layers of a network, a neuron to play with.
`normalization_mistake`: a published mistake, repeated.
`sources`: licenses and sources.
"""
