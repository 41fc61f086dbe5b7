"""The challenge's submission: written, packed and checked."""
