"""The base of scorers that fit one model to each reference, and whose models can be written as ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from asdcore import OnnxValue
from asdcore_plugins.scorers.bases.per_reference import Model, PerReference


class WrittenModel(Model, Protocol):
    """A model that says how it computes."""

    def to_onnx(self, features: OnnxValue) -> OnnxValue:
        """Write the score (1,) of one clip: features (1, ...), as the pooling gives them."""
        ...


class WrittenPerReference(PerReference):
    """A scorer by one :class:`WrittenModel` for each reference."""

    _models: Mapping[str, WrittenModel]

    def to_onnx(self, features: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write the scorer: features (1, ...) -> {reference: (1,)}."""
        self._check_fitted()
        return {name: model.to_onnx(features) for name, model in self._models.items()}
