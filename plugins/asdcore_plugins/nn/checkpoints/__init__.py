"""Files of trained networks: weights, models of the transformers library, ONNX and TFLite graphs."""
