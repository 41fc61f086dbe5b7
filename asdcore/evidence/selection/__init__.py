"""Chooses among systems of finished runs without fooling oneself.

    choose.py       select(runs, protocol): the way in, with one look at the labels in the ledger
    candidates.py   the systems to choose among, over the same clips
    lomo.py         leave one machine out
    nested.py       leave machines out of the choice, and train normals out of the calibration
    mirror.py       a system against its out-of-fold mirror
    tournament.py   bootstrap: the optimism of the best of N
    known_faults.py weights by a few labelled faults, shrunken towards a label-free default
    audit.py        a plan that is sealed before any metric, and the choice by its rule

Choosing without labels is in :mod:`asdcore.evidence.criteria`.
"""
