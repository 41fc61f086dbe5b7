"""Statistics that several plugins share. No plugin lives here.

neighbours     distances to the nearest train normals: exact, in large banks, with clips left out
gaussians      Gaussians and mixtures of them
distributions  spread, quantiles, tails and extreme values of scores
arrays         names for the arrays that are passed around
features       features with a time axis, or flattened to one row a clip
masked         medians and slopes over some values of each row
parameters     checks of a component's parameters, and the names of metrics and references
"""
