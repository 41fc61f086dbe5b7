"""Build components by name, and read the checkpoints and files that their parameters name.

build        builds a component by its name: dataset reader, view, encoder, scorer, normalizer or guard
readers      chooses the dataset reader of a folder
checkpoints  finds what the parameter ``checkpoint`` means: a path, or the id of a registry entry
named_files  finds the files that parameters name, and replaces them by their content
seeds        gives the portfolio's seed to a component that draws random numbers
"""

from asdcore.components.build import load_dataset, load_encoder, load_guard, load_normalizer, load_scorer, load_view

__all__ = ["load_dataset", "load_encoder", "load_guard", "load_normalizer", "load_scorer", "load_view"]
