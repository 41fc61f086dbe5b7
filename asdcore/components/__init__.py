"""Build components by name, and read the checkpoints and files that their parameters name."""

from asdcore.components.build import load_dataset, load_encoder, load_guard, load_normalizer, load_scorer, load_view

__all__ = ["load_dataset", "load_encoder", "load_guard", "load_normalizer", "load_scorer", "load_view"]
