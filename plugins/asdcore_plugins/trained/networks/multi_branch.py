"""The network ``multi_branch``: a branch of whole spectra and branches of short-time spectra side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from asdcore_plugins.trained.named_weights import load_named, load_same
from asdcore_plugins.trained.networks import fft_branch, stft_branch
from asdcore_plugins.trained.networks.branch import Keep, ignore, prefixed
from asdcore_plugins.trained.networks.fft_branch import FFTBranch
from asdcore_plugins.trained.networks.stft_branch import STFTBranch


class MultiBranch(nn.Module):
    """The multi-branch CNN: its embedding is what its branches give, one after the other, not normalized.

    Parameters
    ----------
    n_samples : int
        The length of every clip.
    sample_rate : int
        Hz.
    fft : bool
        Whether there is a branch of whole spectra.
    stft : sequence of int
        The window of each branch of short-time spectra, in samples: [1024], or [256, 1024, 4096].
    width : int
        Values that each branch gives; 8 divides it.
    fft_gates, stft_gates : bool
        Whether branches have squeeze and excitation.
    f_min, f_max : float
        Limits of short-time spectra, in Hz.

    Attributes
    ----------
    dim : int
        Values of the embedding.
    branch_dims : tuple of int
        Values of each branch, in order.
    branch_names : tuple of str
        "fft", "stft1024", ...

    References
    ----------
    Wilkinghoff, ICASSP 2023 and 2024; Fujimura, Kuroyanagi and Toda, ICASSP 2025; as in ASDKit.

    Examples
    --------
    >>> import torch
    >>> network = MultiBranch(96000, stft=[256, 1024], width=16).eval()
    >>> network.branch_names, network(torch.zeros(2, 96000)).shape
    (('fft', 'stft256', 'stft1024'), torch.Size([2, 48]))
    """

    def __init__(
        self,
        n_samples: int,
        *,
        sample_rate: int = 16000,
        fft: bool = True,
        stft: Sequence[int] = (1024,),
        width: int = 128,
        fft_gates: bool = True,
        stft_gates: bool = True,
        f_min: float = 200.0,
        f_max: float = 8000.0,
    ) -> None:
        super().__init__()
        if width < 8 or width % 8:
            raise ValueError(f"width is {width}; allowed are multiples of 8")
        if (not fft and not stft) or len(set(stft)) < len(stft):
            raise ValueError(f"fft is {fft} and stft {list(stft)}: give at least one branch, and each window once")
        _check_length(n_samples, sample_rate, fft, stft)
        self.fft = FFTBranch(width, n_samples, gates=fft_gates) if fft else None
        self.stft = nn.ModuleList(
            STFTBranch(width, n_fft, sample_rate, gates=stft_gates, f_min=f_min, f_max=f_max) for n_fft in stft
        )
        self.n_samples = n_samples
        self.branch_names = (*(["fft"] if fft else []), *(f"stft{n_fft}" for n_fft in stft))
        self.branch_dims = (width,) * len(self.branch_names)
        self.dim = sum(self.branch_dims)
        for parameter in self.parameters():
            if parameter.ndim == 4:  # where convolutions over images want them, which halves their time
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def forward(self, wave: Tensor, keep: Keep = ignore, change: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Return the embeddings of clips.

        Parameters
        ----------
        wave : (batch, n_samples) tensor
            Sound in [-1, 1].
        keep : callable, optional
            ``keep(name, values)`` is called after every block: "fft/conv1", "stft1024/stem", ... The values may be
            overwritten afterwards.
        change : callable, optional
            Changes the magnitudes (batch, bins, frames) of every branch of short-time spectra: an augmentation.

        Returns
        -------
        (batch, dim) tensor
        """
        if wave.shape[1:] != (self.n_samples,):
            raise ValueError(f"waves are {tuple(wave.shape)}; this network takes (batch, {self.n_samples})")
        own = [] if self.fft is None else [self.fft(wave, _below("fft", keep))]
        for branch, name in zip(self.stft, self.branch_names[len(own) :], strict=True):
            own.append(branch(wave, _below(name, keep), change))
        embedding = torch.cat(own, dim=1)
        keep("embedding", embedding)
        return embedding

    def golden(self) -> dict[str, Tensor]:
        """Return weights and running statistics by the names of ASDKit's state dictionary, as they are trained."""
        names = {} if self.fft is None else prefixed("fft_layer", self.fft.golden())
        for i, branch in enumerate(self.stft):
            assert isinstance(branch, STFTBranch)
            names |= prefixed(f"stft_layer_list.{i}", branch.golden())
        return names

    def load_golden(self, weights: Mapping[str, Any]) -> MultiBranch:
        """Take over weights and running statistics by ASDKit's names; returns self.

        Raises
        ------
        ValueError
            If one is missing, or has another shape: the first linear layer depends on the length of clips.
        """
        load_named(self.golden(), weights)
        return self

    def trained_state(self) -> dict[str, Tensor]:
        """Return what a training changes, by name."""
        return self.state_dict()

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what :meth:`trained_state` returned. Raises ValueError if a name is missing or another one."""
        load_same(self.trained_state(), state)


def _check_length(n_samples: int, sample_rate: int, fft: bool, stft: Sequence[int]) -> None:
    """Raise ValueError if clips are too short for a branch."""
    least = {f"stft {n_fft}": stft_branch.least_samples(n_fft) for n_fft in stft}
    least |= {"fft": fft_branch.least_samples()} if fft else {}
    branch = max(least, key=lambda name: least[name])
    if n_samples < least[branch]:
        raise ValueError(
            f"clips of {n_samples / sample_rate:.2f} s are too short for the branch {branch}, which needs "
            f"{least[branch] / sample_rate:.2f} s: set seconds to at least that (shorter clips "
            "are repeated up to it), or leave the branch out"
        )


def _below(branch: str, keep: Keep) -> Keep:
    return ignore if keep is ignore else lambda name, values: keep(f"{branch}/{name}", values)
