"""What a trained encoder makes of its train clips: classes, and what should be known of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asdcore import DataError
from asdcore_plugins.trained.clips import Clips
from asdcore_plugins.trained.generators import seed_of
from asdcore_plugins.trained.labels import FIELDS, Labels, build_labels, check_fields
from asdcore_plugins.trained.pseudo_labels import PseudoLabels


class Classes:
    """Makes classes of train clips.

    Parameters
    ----------
    table : mapping
        ``by``: what a class is made of, as in :func:`~asdcore_plugins.trained.labels.build_labels`. ``pseudo``: the
        parameters of :class:`~asdcore_plugins.trained.pseudo_labels.PseudoLabels`, if clusters stand in for absent
        attributes.
    checkpoint : str, optional
        What a frozen encoder of the pseudo labels is built from.
    """

    def __init__(self, table: Mapping[str, Any], checkpoint: str | None) -> None:
        if unknown := sorted(table.keys() - {"by", "pseudo"}):
            raise ValueError(f"labels has no parameter {unknown[0]!r}; allowed are by, pseudo")
        self._by = check_fields(table.get("by", FIELDS))
        self._pseudo = None
        if "pseudo" in table:
            pseudo = dict(table["pseudo"])
            if odd := sorted((pseudo.keys() - {"method"}) ^ {"encoder", "clusters"}):
                raise ValueError(
                    "labels.pseudo must have encoder and clusters, may have method, and nothing else; "
                    f"look at {odd[0]!r}"
                )
            self._pseudo = PseudoLabels(**pseudo, checkpoint=checkpoint)

    def of(self, clips: Clips, seed: int) -> tuple[Labels, list[str]]:
        """Return the classes of clips, and notes on them.

        Raises
        ------
        DataError
            If all clips are of one class.
        """
        made_up = self._pseudo.attributes(clips, seed_of(seed, "pseudo") >> 31) if self._pseudo else None
        labels = build_labels(clips, self._by, made_up)
        if len(labels.names) < 2:
            raise DataError(
                f"all {len(clips)} train clips are of one class, {labels.names[0]!r}: there is nothing to tell apart. "
                "Train on more machines (scope 'all'), make classes of more fields (labels.by), or of clusters "
                "(labels.pseudo)."
            )
        notes = labels.notes()
        if len(set(clips.machine)) == 1:
            notes.append(
                f"one machine alone ({clips.machine[0]}) makes {len(labels.names)} classes: the network has little to "
                "tell apart, and may score no better than an untrained spectrum"
            )
        return labels, notes
