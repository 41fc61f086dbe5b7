"""Decides which clips each train normal is scored without: itself, and whatever was recorded beside it.

recording_order   what the clip index and ``[out_of_fold]`` of the portfolio say -> Places
dependence        how far neighbours resemble one another, read from train normals -> {domain: Reach}
stored_ranges     the ranges of dependence, computed once and kept in the store -> Kept
plan              which rows each clip is scored without, folds, groups -> HeldOut
by_branch         which branches leave clips out in closed form, and which in folds
crossfit          which clips each network of a crossfit does not see
trained_networks  which trained network hears which clips -> Networks
run_record        the record in ``run.json``, and notes about it
promises          what a threshold can promise if clips come in groups

Clips of DCASE are cut from continuous recordings, so a train normal scored against its own neighbours looks far more
normal than a new clip will. Thresholds, p-values and scales rest on such scores. This package decides, for one machine,
section and feature set, which clips each train normal must not be compared with.

``by`` = "auto" leaves out whole recordings if the clip index names them; else neighbours along the order, as far as
they depend on one another, for each feature set by itself (a branch must not change because another one is added);
else single clips, also if the neighbours turn out to be independent.

To count groups instead of clips: ``HeldOut.groups`` numbers the group of each train normal, :func:`groups_of` gives the
groups of a finished run for some of its branches (machine, section, domain, clip, group), and :func:`system_groups`
those of systems. ``out_of_fold`` in ``run.json`` counts them.
"""

from asdcore.held_out.by_branch import Scored, always_leaves_out, leaves_out, out_of_fold
from asdcore.held_out.crossfit import crossfit_folds
from asdcore.held_out.dependence import Reach, reaches
from asdcore.held_out.plan import HeldOut, assign_folds
from asdcore.held_out.recording_order import Places, check_places, places
from asdcore.held_out.run_record import groups_of, held_out_by, held_out_of, seen_notes, system_groups
from asdcore.held_out.stored_ranges import Kept, kept
from asdcore.held_out.trained_networks import NONE, Crossfold, Network, Networks, branch_at, places_of

__all__ = [
    "NONE",
    "Crossfold",
    "HeldOut",
    "Kept",
    "Network",
    "Networks",
    "Places",
    "Reach",
    "Scored",
    "always_leaves_out",
    "assign_folds",
    "branch_at",
    "check_places",
    "crossfit_folds",
    "groups_of",
    "held_out_by",
    "held_out_of",
    "kept",
    "leaves_out",
    "out_of_fold",
    "places",
    "places_of",
    "reaches",
    "seen_notes",
    "system_groups",
]
