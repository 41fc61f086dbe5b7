"""Writes the multi-branch network as ONNX: its spectra as operators, and what follows by torch's own exporter."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from asdcore import DataError, OnnxValue
from asdcore_plugins.nn.as_onnx.network import module_to_onnx
from asdcore_plugins.nn.as_onnx.spectra import frame_powers_to_onnx, padded_to_onnx, whole
from asdcore_plugins.nn.front_ends.stft import hann
from asdcore_plugins.trained.networks.fft_branch import FFTBranch
from asdcore_plugins.trained.networks.multi_branch import MultiBranch
from asdcore_plugins.trained.networks.stft_branch import STFTBranch


def branches_to_onnx(network: nn.Module, wave: OnnxValue) -> list[OnnxValue]:
    """Write what each branch gives: (n_samples,) float64 -> one (1, width) float64 each.

    Raises
    ------
    DataError
        If it is another network, or torch cannot write it.
    """
    if not isinstance(network, MultiBranch):
        raise DataError(
            f"its network {type(network).__name__} cannot be written as ONNX. Networks that can: multi_branch"
        )
    branches: list[FFTBranch | STFTBranch] = [] if network.fft is None else [network.fft]
    for branch in network.stft:
        assert isinstance(branch, STFTBranch)
        branches.append(branch)
    return [_branch_to_onnx(branch, wave, torch.zeros(1, network.n_samples)) for branch in branches]


def _branch_to_onnx(branch: FFTBranch | STFTBranch, wave: OnnxValue, silence: Tensor) -> OnnxValue:
    if isinstance(branch, STFTBranch):
        window = hann(branch.n_fft) / np.sqrt(np.square(hann(branch.n_fft)).sum())
        sound = padded_to_onnx(wave, branch.n_fft // 2, branch.n_fft // 2)
        powers = frame_powers_to_onnx(sound, window, branch.hop).transpose(1, 0)
        kept = powers.take(np.arange(branch.first, branch.last))
        return module_to_onnx(_Embedded(branch), _batch_of(kept.op("Sqrt")), branch.magnitude(silence))
    spectrum = wave.reshape(1, -1, 1).op("DFT", None, whole(wave, 1), onesided=1)
    magnitude = (spectrum * spectrum).sum(2).op("Sqrt")
    return module_to_onnx(_Embedded(branch), magnitude, torch.fft.rfft(silence).abs())


def _batch_of(value: OnnxValue) -> OnnxValue:
    return value.op("Unsqueeze", value.graph.constant([0], np.int64))


class _Embedded(nn.Module):
    """A branch from its magnitudes on."""

    def __init__(self, branch: FFTBranch | STFTBranch) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, magnitude: Tensor) -> Tensor:
        """Magnitudes of a clip -> (1, width)."""
        return self.branch.embedded(magnitude)
