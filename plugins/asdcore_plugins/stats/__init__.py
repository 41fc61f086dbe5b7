"""Statistics that several plugins share, and how what they learn is kept. No plugin lives here.

neighbours/     distances to the nearest train normals: exact, in large banks, with clips left out
gaussians/      Gaussians and mixtures of them
distributions/  spread, quantiles, tails and extreme values of scores
arrays          names for the arrays that are passed around
features        features with a time axis, or flattened to one row a clip
fitted          the base of components that learn: whether they have, their state
learned         what a fit learned as plain arrays and values, given out and taken back
masked          medians and slopes over some values of each row
parameters      checks of a component's parameters, and the names of metrics and references
to_odd          rounding that a later rounding does not notice
onnx_formulas   formulas of components as ONNX
"""
