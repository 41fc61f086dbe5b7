"""Commands that judge finished runs and choose between them.

compare          compare: which systems differ
decisions        decisions: false positives, promised and observed
selection        select, audit
ledger           ledger, verdict
report           report
unknown_machine  what evaluate --unknown-machine prints
"""
