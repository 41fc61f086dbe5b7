"""How a plugin declares what its ``fit`` learns, and gets ``state`` and ``restore`` for it.

learned  the base of components, and of the parts that they are made of
kinds    the kinds of value that may be learned: arrays of a shape, numbers, parts, several of them by name
"""
