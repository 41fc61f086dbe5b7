"""How a network is run: its layers, its device and memory, long clips in windows, exact arithmetic.

run         on a device, without gradients
encoder     checks sound and layers, then computes tokens
layers      checks the layers that are asked for
windows     clips longer than a network takes
memory      how long a clip, and how many of them, go through a network at once
exact       what an exact encoder must keep to
one_thread  one thread for what must round the same everywhere
"""
