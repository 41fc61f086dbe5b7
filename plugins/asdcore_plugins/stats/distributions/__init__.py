"""How the scores of train normals are distributed: spread, quantiles, tails, extreme values."""
