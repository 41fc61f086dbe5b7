"""The key ``known_faults`` of a portfolio: which labelled faults have chosen its weights."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from asdcore.portfolio.strict import Strict

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class KnownFaults(Strict):
    """The labelled faults by which ``asdcore select --known-faults`` has chosen the weights of a system.

    system, chosen_from : the system that the weights moved away from, and the digests of the portfolios whose branches
    were the candidates. moved : the share of the say that moved. faults : {SHA-256 of a clip: the kind of its fault}.
    sounds : the digests of their sound (:mod:`asdcore.data.recordings.sound_digest`), which copies in other formats
    share.
    """

    system: str
    chosen_from: tuple[str, ...]
    moved: Annotated[float, Field(ge=0, le=1)]
    faults: dict[Digest, str]
    sounds: tuple[Digest, ...] = ()
