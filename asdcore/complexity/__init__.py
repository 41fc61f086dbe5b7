"""The old import path of :mod:`asdcore.preflight`, kept for scripts."""
