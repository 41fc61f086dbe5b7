"""How the scores of train normals are distributed: spread, quantiles, tails, extreme values.

spread            centre and spread of a sample of scores
quantiles         quantiles after some values have gone and others have come
tail              where the tail begins, and how far a clip exceeds that
extremes          scores so extreme that they alone set a scale
incomplete_gamma  the incomplete gamma functions as sums, which a graph can compute
"""
