"""Chooses among systems of finished runs without fooling oneself.

choose                 select(runs, protocol): the way in, with one look at the labels in the ledger
candidates             the systems to choose among, over the same clips
outcome                the result of a protocol, in one shape for all of them

leave_one_machine_out  does a choice made on some machines hold on another?
nested                 leaves machines out of the choice, and train normals out of the calibration
mirror                 a system against its out-of-fold mirror
tournament             bootstrap: the optimism of the best of N
audit                  a plan that is sealed before any metric, and the choice by its rule
criteria               ranks systems without labels

known_faults           weights by a few labelled faults: the way in
fault_clips            the faults that somebody knows
fault_kinds            they must be comparable with the train clips
fault_scores           their scores beside those of train normals
fault_gains            how far up among train normals a fault lies
fault_problem          what is asked of these scores
shrunken_choice        weights shrunken towards a default that no label has seen
"""
