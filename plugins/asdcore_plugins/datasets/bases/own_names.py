"""The words that folders and tables of one's own recordings may use for split, domain and label."""

from __future__ import annotations

TRAIN = ("train", "training", "normals", "reference")
"""Names of a folder of normal sound to learn from; those of :data:`NORMAL` count too, outside a test folder."""

TEST = ("test", "new", "check")
"""Names of a folder of recordings to judge."""

NORMAL = ("normal", "good", "ok", "healthy")
"""Labels of a normal clip."""

FAULTY = ("abnormal", "anomalous", "anomaly", "bad", "broken", "defect", "fault", "faulty", "ng")
"""Labels of a faulty clip whose fault has no name; whatever else lies in a test folder is a fault's name."""

UNKNOWN = ("unknown", "unlabelled", "unlabeled", "na", "n/a", "#n/a", "nan", "none", "null", "?", "-")
"""Labels that say that none is known, as people and programs write them; none of these is the name of a fault."""

DOMAINS = ("source", "target")

LAYOUTS = """These are read without a table:
  ROOT/<machine>/train/   normal sound to learn from; below it, if there are such: source/, target/, <condition>/
  ROOT/<machine>/test/    sound to judge; below it, if it is known: normal/ and <fault>/
  ROOT/train/, ROOT/test/ the same for one machine
  ROOT/<clips>.wav        one machine, normal sound alone"""
"""What a folder of one's own may look like, in five lines."""


def is_normal(word: str) -> bool:
    """Whether a folder or a label of this name marks normal clips.

    Examples
    --------
    >>> is_normal("Good"), is_normal("bearing")
    (True, False)
    """
    return word.lower() in NORMAL
