"""Classes that a network learns to tell apart, made of what the data set says of train clips.

The class of a clip is text: some of its fields, joined by ``---``.

    ToyCar---0---car_A1_spd_28V---1         machine, section, attribute, domain

A section loses its leading zeros, and the domain is 0 (source) or 1 (target), as ASDKit has it. A clip whose attribute
is absent has the attribute ``noAttribute``, which is an ordinary value: all such clips of a machine, section and domain
are one class. Classes are sorted by code point ("10" before "2", capitals before small letters), and a label is the
place of a class in that order.

Classes come from train clips alone. ASDKit fits its classes on test clips too, whose attributes are hidden during a
challenge: 20 of its 187 classes of DCASE 2023, and 77 of 225 of 2024, have no train clip. A test clip needs no class
here: its embedding is scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError
from asdcore_plugins.trained.clips import LabelledClips

FIELDS = ("machine", "section", "attribute", "domain")
"""What a class may be made of, and what it is made of by default."""

SEPARATOR = "---"
NO_ATTRIBUTE = "noAttribute"
DOMAIN_NUMBERS = {"source": "0", "target": "1"}


@dataclass(frozen=True)
class Labels:
    """The classes of a training, and the class of every train clip.

    Attributes
    ----------
    names : tuple of str
        The classes, sorted by code point.
    index : (n_clips,) int64
        The place of each clip's class in ``names``.
    without_attribute : tuple of str
        The classes whose clips have no attribute, if attributes are part of a class.
    """

    names: tuple[str, ...]
    index: NDArray[np.int64]
    without_attribute: tuple[str, ...] = ()

    @property
    def counts(self) -> NDArray[np.int64]:
        """(n_classes,): the clips of each class."""
        return np.bincount(self.index, minlength=len(self.names))

    def notes(self) -> list[str]:
        """Return what a run should say of its classes: one sentence each."""
        sentences = []
        if self.without_attribute:
            sentences.append(
                f"{len(self.without_attribute)} of {len(self.names)} classes have clips without an attribute "
                f"({_some(self.without_attribute)}): all such clips of a machine, section and domain are one class"
            )
        if single := [name for name, n in zip(self.names, self.counts, strict=True) if n == 1]:
            sentences.append(f"{len(single)} of {len(self.names)} classes have a single clip ({_some(single)})")
        return sentences


def build_labels(clips: LabelledClips, by: Sequence[str] = FIELDS, attributes: Sequence[str] | None = None) -> Labels:
    """Return the classes of train clips.

    Parameters
    ----------
    clips : LabelledClips
        Train clips; nothing else makes a class.
    by : sequence of str
        What a class is made of, in this order: some of "machine", "section", "attribute", "domain".
    attributes : sequence of str, optional
        Stand in for ``clips.attributes``, one entry a clip, as
        :class:`~asdcore_plugins.trained.pseudo_labels.PseudoLabels` makes them.

    Returns
    -------
    Labels

    Raises
    ------
    ValueError
        If ``by`` is empty, or names a field twice or one that does not exist.
    DataError
        If there are no clips, or two classes would have the same text.

    References
    ----------
    Fujimura et al., "ASDKit: A toolkit for comprehensive evaluation of anomalous sound detection methods", 2025,
    section 3.1 (which names the fields; the text of a class is that of its code).

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> clips = SimpleNamespace(
    ...     machine=["fan", "fan", "valve"],
    ...     section=["00", "00", "01"],
    ...     attributes=["speed_5", "", "speed_5"],
    ...     domain=["source", "target", "source"],
    ... )
    >>> labels = build_labels(clips)
    >>> labels.names
    ('fan---0---noAttribute---1', 'fan---0---speed_5---0', 'valve---1---speed_5---0')
    >>> labels.index.tolist()
    [1, 0, 2]
    """
    fields = check_fields(by)
    given = clips.attributes if attributes is None else attributes
    columns = {
        "machine": list(clips.machine),
        "section": [_without_zeros(section) for section in clips.section],
        "attribute": [attribute or NO_ATTRIBUTE for attribute in given],
        "domain": [DOMAIN_NUMBERS.get(domain, domain) for domain in clips.domain],
    }
    parts = list(zip(*(columns[field] for field in fields), strict=True))
    if not parts:
        raise DataError("there are no train clips to make classes of: look at the data set with 'asdcore data index'")
    names = [SEPARATOR.join(part) for part in parts]
    _check_distinct(parts)
    classes = tuple(sorted(set(names)))
    place = {name: i for i, name in enumerate(classes)}
    absent = {name for name, attribute in zip(names, given, strict=True) if not attribute}
    return Labels(
        names=classes,
        index=np.array([place[name] for name in names], np.int64),
        without_attribute=tuple(sorted(absent)) if "attribute" in fields else (),
    )


def check_fields(by: Sequence[str]) -> tuple[str, ...]:
    """Return the fields of a class. Raises ValueError unless they are some of :data:`FIELDS`, each once.

    Examples
    --------
    >>> check_fields(["machine", "speed"])
    Traceback (most recent call last):
    ValueError: labels.by must be some of machine, section, attribute, domain, each once, got ['machine', 'speed']
    """
    wrong = isinstance(by, str) or not by or set(by) - set(FIELDS) or len(set(by)) < len(by)
    if wrong:
        raise ValueError(f"labels.by must be some of {', '.join(FIELDS)}, each once, got {by!r}")
    return tuple(by)


def _check_distinct(parts: Sequence[tuple[str, ...]]) -> None:
    """Raise DataError if fields that differ are the same text once they are joined."""
    texts = Counter(SEPARATOR.join(part) for part in set(parts))
    if alike := sorted(text for text, n in texts.items() if n > 1):
        raise DataError(
            f"two classes have the same text {alike[0]!r}, since {SEPARATOR!r} stands inside a field: "
            "rename the machine or the attribute"
        )


def _without_zeros(section: str) -> str:
    return str(int(section)) if section.isdecimal() else section


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
