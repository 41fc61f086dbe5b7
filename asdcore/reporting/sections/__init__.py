"""The other sections of the report.

branches      correlations, and the contribution of each part
maps          maps of features
point_labels  one label for points that lie on one another
thresholds    rates of false positives, promised and observed
trials        the table of trials
cost          the cost of systems
provenance    where the results come from
summary       all of it in sentences
"""
