"""Checks that a component which is brought back from its state is the same.

restores     checks of ``state`` and ``restore``
new_process  a component restored in a process that has never seen it fitted
ways_to_fit  on features, and on distances if a scorer takes them
"""
