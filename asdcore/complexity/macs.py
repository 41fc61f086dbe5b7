"""Count multiply-accumulates; the counters are in :mod:`asdcore.preflight.macs`."""

from asdcore.preflight.macs import Macs, count_macs, count_parameters

__all__ = ["Macs", "count_macs", "count_parameters"]
