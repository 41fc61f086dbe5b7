"""How a verification finds what differs, proves what is the same, and says so.

differences        the result of a verification: every difference
code_differences   compares asdcore, plugins, Python and packages; for a detector those alone that its scores need
refusal            a failed verification in words, and the refusal of an inference
new_files          files that are new since the freeze and would be read
kernel_settings    variables that bring back the kernels of a freeze
recompute          recomputes every table and compares; the tolerance is 0
fitted_again       compares what scorers have learnt with what they learn now
recomputed_sample  recomputes a sample of the run, and compares bit for bit
how_far            how far recomputed numbers are from the frozen ones
linked_store       links frozen features into another store, so that the frozen store never changes
"""
