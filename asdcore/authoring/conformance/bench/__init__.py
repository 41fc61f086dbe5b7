"""What checks stand on: benches that drive one component of a kind, with its sounds and folders.

driver           a bench for each kind, and comparison with tight tolerances
dataset_folders  the bench of dataset readers: folders in which files come, go and change
sounds           clips for views and encoders
outside_state    what a component keeps outside itself, put back
same_bits        how far apart two outputs are
"""
