"""Random numbers of a training: a generator for each purpose and epoch, all derived from one seed.

Whatever one purpose draws moves no other, and an epoch draws the same whether those before it ran in this process or in
an earlier one.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import torch


def seed_of(seed: int, purpose: str, epoch: int = 0) -> int:
    """Return the seed of a purpose in an epoch: 63 bits of a SHA-256.

    Examples
    --------
    >>> seed_of(0, "order", 1) == seed_of(0, "order", 1) != seed_of(0, "crop", 1)
    True
    """
    digest = hashlib.sha256(f"{seed}:{purpose}:{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, purpose: str, epoch: int = 0) -> torch.Generator:
    """Return the generator of a purpose in an epoch."""
    return torch.Generator().manual_seed(seed_of(seed, purpose, epoch))


@contextlib.contextmanager
def weights_of(seed: int, purpose: str) -> Iterator[None]:
    """Let torch's default generator, from which layers draw their first weights, be that of a purpose."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed_of(seed, purpose))
        yield
