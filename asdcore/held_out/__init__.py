"""What a train normal is scored without: itself, and whatever was recorded beside it.

Clips of DCASE are cut from continuous recordings, so a train normal scored against its own neighbours looks far more
normal than a new clip will. Thresholds, p-values and scales rest on such scores; this package says which clips each
train normal must not be compared with, for one machine, section and feature set.

    places      what the clip index and ``[out_of_fold]`` of the portfolio say     -> Places
    dependence  how far neighbours resemble one another, read from train normals   -> {domain: Reach}
    plan        which rows each clip is scored without, folds, groups              -> HeldOut
    kept        the ranges, found once and kept in the store                       -> Kept
    record      what ``run.json`` says of it, and notes

``by`` = "auto": whole recordings where the clip index knows them; else neighbours along the order, as far as they are
found to depend on one another, each feature set by itself (a branch must not change because another one is added);
else, and where nothing is found, single clips.

For whoever counts groups instead of clips: ``HeldOut.groups`` numbers the group of each train normal, and
:func:`groups_of` gives those of a finished run and some of its branches: machine, section, domain, clip, group;
:func:`system_groups` those of systems. ``out_of_fold`` in ``run.json`` counts them.
"""

from asdcore.held_out.branches import Scored, leaves_out, out_of_fold
from asdcore.held_out.dependence import Reach, reaches
from asdcore.held_out.places import Places, check_places, places
from asdcore.held_out.plan import HeldOut, assign_folds
from asdcore.held_out.run_record import groups_of, held_out_by, held_out_of, system_groups
from asdcore.held_out.stored_ranges import Kept, kept

__all__ = [
    "HeldOut",
    "Kept",
    "Places",
    "Reach",
    "Scored",
    "assign_folds",
    "check_places",
    "groups_of",
    "held_out_by",
    "held_out_of",
    "kept",
    "leaves_out",
    "out_of_fold",
    "places",
    "reaches",
    "system_groups",
]
