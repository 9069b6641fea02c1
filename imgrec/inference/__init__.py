"""Weights become a compiled network, and images with networks become predictions.

Knows no pages, commands or routes; TensorFlow runs only in its child processes.

`engine`: the protocols `Engine` and `Head`.
`openvino_engine`: the engine that serves, and streams of many images.
`openvino_head`: the head of a network, which explains its answer.
`transposes`: those of a network that cancel each other.
`network_graph`: the last feature map, the head and the logits of a network.
`keras_networks`: networks of Keras with their weights.
`efficientnet_lite`: EfficientNet-Lite as a Keras network.
`conversion`: Keras weights to a compiled network.
`quantization`: a compiled network to its twin in 8-bit integers.
`calibration_images`: what a network is shown for that.
`precision`: whether default models are exact or compact.
`own_model`: a model of the owner's, examined and added.
`import_worker`: its worker process.
`foreign_network`: a network of another origin, made like the others.
`child_process`: one request to a child process, and its answers.
`preparation`: fetch and convert in the background.
`gate`: one inference at a time, in the order in which they were asked for.
`pool`: `EnginePool`: loaded networks under one memory budget.
`classify`: image and models to predictions.
`calibrated_members`: members of an ensemble with their temperatures.
`request`: a request in the words of command line and API.
`warm_up`: what a server does before its first visitor.
`turns`: how many threads compute in Python at once.
`process_info`: cores, resident memory.
`shutdown`: the end of the process waits for native calls.
"""
