"""What checks stand on: benches that drive one component of a kind, with sounds and in the ways that the kind has.

driver           a bench for each kind, and comparison with tight tolerances
dataset_folders  the bench of dataset readers: folders in which files come, go and change
sounds           clips for views and encoders
ways_to_fit      on features, and on distances if a scorer takes them
new_process      a component restored in a process that has never seen it fitted
outside_state    what a component keeps outside itself, put back
same_bits        how far apart two outputs are
"""
