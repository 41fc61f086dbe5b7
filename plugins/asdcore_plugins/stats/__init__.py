"""Statistics that several plugins share. No plugin lives here.

neighbours     distances to the nearest train normals: exact, in large banks, with clips left out
gaussians      Gaussians and mixtures of them
distributions  spread, quantiles, tails and extreme values of scores
masked         medians and slopes over some values of each row
frames         features that still have a time axis
parameters     checks of a component's parameters, and the names of metrics and references
"""
