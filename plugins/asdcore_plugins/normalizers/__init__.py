"""Bundled normalizers: the score of a branch -> z, on the scale of train normals.

mean_std      the classical z-score
median_iqr    a robust z-score
mad           the most robust z-score
qn            as robust, and steadier for few clips
domain_z      z-scores of both domains on the target's deviation
median_ratio  distances as multiples of a normal one
ecdf          the CDF of train normals, without ties
gpd           the same, with a tail of extreme value theory
gamma         a gamma distribution of train normals
conformal     p-values that keep what they promise
bases/        base classes
"""
