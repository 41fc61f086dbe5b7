"""Base classes of scorers, each with what the scorers that build on it share.

scorer                 fit on train normals, then score against references
references             which train normals make up each reference
per_reference          one model for each reference
written_per_reference  the same, of models that can be written as ONNX
distance               nothing but distances
neighbour_lists        the neighbours of train normals
local_density          how dense the bank is around each train normal
cluster_density        how dense a train clip's own cluster is
least_variance         subtracts as much density as makes scores vary least
interpolated_bank      adds points between train clips
interpolated_points    these points, and how far a clip is from them
frame_windows          windows of consecutive frames
residuals              what scorers on residuals of an autoencoder share
residual_covariance    the covariance of these residuals
"""
