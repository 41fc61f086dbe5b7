"""The layers that an encoder is asked for, checked against those that it has."""

from __future__ import annotations

from collections.abc import Sequence


def checked_layers(asked: Sequence[int | str], layers: Sequence[int | str], encoder: str) -> list[int | str]:
    """Return the layers asked for, each once.

    Parameters
    ----------
    asked : sequence of int or str
        The layers wanted.
    layers : sequence of int or str
        Those that the encoder has.
    encoder : str
        What messages call it.

    Returns
    -------
    list of int or str

    Raises
    ------
    ValueError
        If none is asked for, or one that the encoder does not have.

    Examples
    --------
    >>> checked_layers([9, "final", 9], layers=(0, 9, "final"), encoder="beats")
    [9, 'final']
    """
    if not len(asked):
        raise ValueError(f"{encoder} was asked for no layer; its layers are {list(layers)}")
    # True == 1 and 9.0 == 9: only a layer's own name is its name.
    unknown = [name for name in asked if not any(type(name) is type(layer) and name == layer for layer in layers)]
    if unknown:
        raise ValueError(f"{encoder} has no layer {', '.join(map(repr, unknown))}; its layers are {list(layers)}")
    return list(dict.fromkeys(asked))
