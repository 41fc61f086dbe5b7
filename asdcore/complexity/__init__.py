"""An earlier address of what :mod:`asdcore.preflight` holds, for scripts that were written with it."""
