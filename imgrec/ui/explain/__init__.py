"""The Explain page: heat-maps of the chosen models, and the layers of one network from the inside.

`views`: the choice of the view.
`inside`: what each layer computes for the image.
`pixels`: the image as numbers.
"""
