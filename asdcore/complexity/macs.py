"""Count multiply-accumulates; the counters are in :mod:`asdcore.preflight.multiply_accumulates`."""

from asdcore.preflight.multiply_accumulates import Macs, count_macs, count_parameters

__all__ = ["Macs", "count_macs", "count_parameters"]
