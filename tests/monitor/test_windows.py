"""Windows are the same however the sound comes, and nothing of it is lost unsaid."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.monitor.windows import Stump, cut

SOUND = np.arange(2 * 97, dtype=np.float32).reshape(2, 97)


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=12),
    st.integers(1, 30),
    st.integers(1, 30),
    st.integers(0, 1000),
)
def test_windows_do_not_depend_on_blocks(sizes, length, hop, start):
    hop = min(hop, length)
    edges = np.minimum(np.cumsum([0, *sizes, 97]), 97)
    blocks = [SOUND[:, low:high] for low, high in pairwise(edges) if high > low]
    pieces = list(cut(blocks, length, hop, start))
    windows = [piece for piece in pieces if not isinstance(piece, Stump)]
    assert [window.start for window in windows] == list(range(start, start + 97 - length + 1, hop))
    for window in windows:
        at = window.start - start
        np.testing.assert_array_equal(window.sound, SOUND[:, at : at + length])
    heard = windows[-1].start + length if windows else start
    assert [piece for piece in pieces if isinstance(piece, Stump)] == (
        [Stump(heard, start + 97 - heard)] if heard < start + 97 else []
    )


def test_no_sound_makes_no_window():
    assert list(cut([], 10, 10)) == []


@pytest.mark.parametrize("sizes", [(96, 1), (1, 96)])
def test_a_window_keeps_its_sound_when_the_block_is_used_again(sizes):
    block = np.zeros((1, max(sizes)), np.float32)

    def blocks():
        for size in sizes:
            block[:] = size
            yield block[:, :size].copy()

    (window,) = (piece for piece in cut(blocks(), 97, 97) if not isinstance(piece, Stump))
    assert window.sound.shape == (1, 97)
