"""The catalog of models: specifications, weights, downloads, model cards. Knows nothing of how a network is run.

`catalog`: `ModelSpec`, one row a model.
`card_fields`: the fields of such a card, checked.
`cards`: `Card` of a model that was trained here, or added.
`training_images`: images that a model was trained on, kept with it.
`model_formats`: the formats that an added model may have, and the check of each.
`onnx_file`: an ONNX file, checked.
`saved_model`: a SavedModel of TensorFlow, checked.
`litert_file`: a LiteRT file, checked.
`ir_file`: a network of OpenVINO, checked, packed into one file.
`protobuf_fields`: messages of Protocol Buffers, without their schema.
`layer_table`: the layers of a saved network.
`network_layers`: the layers of every network of the catalog.
`downloads`: resumable HTTP downloads.
`weights`: find, fetch and verify weight files.
`model_file`: what a model file may hold, checked before a library reads it.
`torch_checkpoint`: tensors of a PyTorch file, without PyTorch.
"""
