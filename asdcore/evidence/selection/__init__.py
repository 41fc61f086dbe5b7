"""Honest selection: choosing among candidates without fooling oneself, over finished runs.

    choose.py       select(runs, protocol): the way in, one look at the labels in the ledger
    candidates.py   systems of runs over the same clips
    lomo.py         leave one machine out
    nested.py       machines out of the choice, train normals out of the calibration
    mirror.py       a system against its out-of-fold mirror
    tournament.py   bootstrap: the optimism of the best of N
    audit.py        a plan that is sealed before any metric, and the choice by its rule

Choosing without labels is in :mod:`asdcore.evidence.criteria`.
"""
