"""Makes features of tokens by pooling, and measures distances between features.

pooling            tokens -> features, one vector for each clip
pooling_blocks     the same for a long recording, in blocks
pooled_bands       which features belong to which band and time
exact_features     rounds features of exact encoders to 16 bits
distances          one distance matrix for all scorers of a feature set
distances_as_onnx  distances as ONNX
distance_shares    divides a distance among features
"""
