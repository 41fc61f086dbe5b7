"""Bundled scorers: features -> how far a clip is from train normals.

knn                 distance to the nearest train normals
memmixup            the same, with the target bank extended towards the source
smote_knn           the same, with points added to the target bank
ldn                 distances judged by the local density
ced                 the same, over a train normal's own cluster
aldn                the same, with a learned number and weight of neighbours
varmin              the same, so that train-normal scores vary least
lof                 local outlier factor
kmeans              distance to cluster centres of the source and to target clips
beam                nearest neighbours band by band
patchcore           the patch that is least like any other
temporal            distance of windows at any time

mahalanobis         a Gaussian
padim               a Gaussian for every band
gmm                 a mixture of Gaussians
kde                 a kernel density
pca_residual        what principal components leave unexplained
normal_relation     how the near channel follows from the far one
isolation_forest    how few random splits isolate a clip
ocsvm               one-class support vector machine

autoencoder         the autoencoder of the official baseline, both modes
linear_autoencoder  the same without its nonlinearities
deep_svdd           a network that sends normal clips to one point

bases/              base classes
"""
