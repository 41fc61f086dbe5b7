"""The words of a score: what a clip is compared with, the domains of train normals, and the metrics."""

from __future__ import annotations

POOLED, SOURCE, TARGET = REFERENCES = ("pooled", "source", "target")
"""The train-normal banks that a score may be against: all train normals, or those of one domain."""

DOMAINS = (SOURCE, TARGET)
"""The domains of train normals: one that was recorded long, and one that was recorded for a short time."""

METRICS = ("cosine", "euclidean")
"""The metrics of distances that scorers may share."""
