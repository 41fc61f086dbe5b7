"""Files of trained networks: weights, models of the transformers library, ONNX and TFLite graphs.

weights      files of weights, read without running what they hold
zip_records  the records of a file that ``torch.save`` wrote, checked first
hub          models of the transformers library
graph        models in an ONNX or TFLite file
onnx_files   the files of an ONNX model
repeatable   refuses models that keep a state or draw random numbers
"""
