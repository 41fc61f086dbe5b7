"""Check a portfolio before it runs: its cost, and what its views do to faults.

complexity            what a portfolio costs: parameters and multiply-accumulates
multiply_accumulates  counts those of one encoder twice: by thop's rules, and by watching torch
counting_rules        rules and operations that these counters lack
briefly_trained       trains an encoder on a little noise, so that it can be counted
view_audit            what the views of a portfolio do to faults
fault_probes          pseudo-faults in one clip: what a view removes, keeps and gains
"""
