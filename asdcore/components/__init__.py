"""Components by name: built with their parameters, their checkpoints and other files located and hashed."""

from asdcore.components.build import load_dataset, load_encoder, load_guard, load_normalizer, load_scorer, load_view

__all__ = ["load_dataset", "load_encoder", "load_guard", "load_normalizer", "load_scorer", "load_view"]
