"""The nearest train normals of a clip: measured exactly, searched in a large bank, or with some of them left out.

search             exact search in a large bank
prepared_rows      rows as the search compares them
single_precision   rows in single precision, and how far off they may be
candidates         streaming top-k, with a bound on the candidates
bounded_distances  bounds on distances of new clips; the few that count are measured
lazy_distances     a distance matrix that computes what can affect a score
exact              the nearest others of every train clip
leave_sets_out     the same, with whole sets of clips left out
excluded_rows      rows that a query must not use
repeated_clips     copies of a clip count once
lost_copies        which clips are apart in banks that lack some of the copies
nearest_weights    the mean distance to the nearest, as a weighted sum
bounded_squares    squared distances from products, with bounds on their errors
compiled_products  products in double precision at the speed of reading rows, where numba is installed
kernel_means       the mean Gaussian kernel of new clips
kernel_sums        sums of Gaussian kernels within a bank
"""
