"""Checks of encoders. Audio is 1 s of hum at the encoder's own sample rate; a few clips at a time, once a crowd.

An encoder of two channels is given a near and a far one.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from inspect import signature
from typing import Any

import numpy as np

from asdcore.authoring.conformance.bench.driver import Bench, Rows, Run, describe, difference, require
from asdcore.authoring.conformance.bench.outside_state import statics_restored
from asdcore.authoring.conformance.bench.sounds import Sounds, blasts, hums, near_and_far, near_and_far_blasts
from asdcore.authoring.conformance.channels import channels_of, check_channels
from asdcore.contract.tokens import is_exact
from asdcore.contract.train_clips import About, ListedClips
from asdcore.errors import AsdcoreError
from asdcore.store.fitted_state import pack, unpack

TRAINED = 16
"""Train normals of a trainable encoder: two machines, two attributes each."""


class EncoderBench(Bench):
    """Asks an encoder for all its layers, or for the first and the last if the batch is large."""

    steady = 1e-6
    size = 6
    crowd = 130
    call_name = "encode"

    @functools.cached_property
    def sample_rate(self) -> int:
        """Return the encoder's sample rate in Hz."""
        return int(self.build().sample_rate)

    @functools.cached_property
    def channels(self) -> int:
        """Return how many channels the encoder reads."""
        return channels_of(self.build())

    @functools.cached_property
    def trainable(self) -> bool:
        """Whether the encoder is trained on train normals."""
        return callable(getattr(self.build(), "fit", None))

    @functools.cached_property
    def learnt(self) -> dict[str, Any]:
        """What a trainable encoder learns of the kit's train normals, from the file of its state; trained once."""
        component = self.build()
        with statics_restored(component):
            state = self.fit(component, self.inputs(self.train())).state()
        return unpack(pack(state, {}), "the state").state

    def ready(self) -> Any:
        """Build an encoder that encodes: a trainable one takes back what one like it has learnt."""
        return self.build().restore(self.learnt) if self.trainable else self.build()

    @contextlib.contextmanager
    def session(self, train: Any = None) -> Iterator[Run]:
        """Yield what a new encoder makes of inputs; a trainable one is trained anew for other train normals alone."""
        if train is not None or not self.trainable:
            with super().session(train) as run:
                yield run
            return
        learnt, component = self.learnt, self.build()
        with statics_restored(component):
            fitted = component.restore(learnt)
            yield lambda inputs: self.call(fitted, inputs)

    def train(self, seed: int = 0) -> Rows:
        """Audio of 1 s, machine, section, domain and attributes of the train normals of a trainable encoder."""
        if not self.trainable:
            return {}
        machine, attributes = (np.repeat(np.arange(TRAINED // of) % 2, of) for of in (TRAINED // 2, TRAINED // 4))
        rows = {"audio": self.sounds(TRAINED, self.sample_rate, 300 + seed)}
        # Machines and attributes are told apart by their level and by a tone.
        rows["audio"] *= np.float32(0.4) + np.float32(0.3) * machine.reshape(-1, *[1] * (rows["audio"].ndim - 1))
        rows["audio"][attributes == 1, ..., ::2] *= np.float32(0.5)
        return rows | {
            "machine": np.array(["fan", "pump"])[machine],
            "section": np.full(TRAINED, "00"),
            "domain": np.array(["source", "target"])[(np.arange(TRAINED) % 4 == 3).astype(int)],
            "attributes": np.array(["speed_1", "speed_2"])[attributes],
        }

    def silent_train(self) -> Rows | None:
        """Make the train normals with two silent ones among them, or None for an encoder that is not trained."""
        if not self.trainable:
            return None
        train = self.train()
        train["audio"][[1, -1]] = 0.0
        return train

    def fit(self, component: Any, inputs: Any, seed: int = 0, training: Any = None) -> Any:
        """Train a trainable encoder on some train normals; returns what ``fit`` returned."""
        if not self.trainable:
            return component
        given = {"training": training} if "training" in signature(component.fit).parameters else {}
        return component.fit(self.clips(inputs), seed, **given)

    def clips(self, inputs: Any) -> ListedClips:
        """Return train normals as a training is given them."""
        columns = [inputs[name].tolist() for name in ("machine", "section", "domain", "attributes")]
        about = [About(*row) for row in zip(*columns, strict=True)]
        return ListedClips.of(about, list(inputs["audio"]), self.sample_rate)

    def sounds(self, n: int, n_samples: int, seed: int) -> Sounds:
        """Make (n, n_samples), or (n, 2, n_samples) for two channels."""
        make = near_and_far if self.channels == 2 else hums
        return make(n, n_samples, self.sample_rate, seed)

    def rows(self, n: int, seed: int) -> Rows:
        """Audio of 1 s."""
        return {"audio": self.sounds(n, self.sample_rate, seed)}

    def far(self, n: int, seed: int) -> Rows:
        """Audio of 1 s at full scale."""
        make = near_and_far_blasts if self.channels == 2 else blasts
        return {"audio": make(n, self.sample_rate, seed)}

    def silent(self) -> Rows:
        """Audio of 1 s: silent, silent for the first half, and of two channels, silent on either one."""
        audio = self.rows(2 if self.channels == 1 else 4, seed=1)["audio"]
        audio[0] = 0.0
        audio[1, ..., : self.sample_rate // 2] = 0.0
        if self.channels == 2:
            audio[2, 0] = 0.0
            audio[3, 1] = 0.0
        return {"audio": audio}

    def call(self, fitted: Any, inputs: Any) -> Rows:
        """Audio -> patches and special tokens of each layer."""
        layers = list(fitted.layers)
        if len(inputs["audio"]) > 2 * self.size:
            layers = list(dict.fromkeys((layers[0], layers[-1])))
        return flatten(fitted.encode(inputs["audio"], layers), layers)


def flatten(tokens: Any, layers: Sequence[Any]) -> Rows:
    """{layer: Tokens} -> {name of an array: array (n_clips, ...)}, for the layers asked for."""
    arrays: Rows = {}
    for layer in layers:
        arrays[f"layer {layer} patches"] = np.asarray(tokens[layer].patches)
        if tokens[layer].special is not None:
            arrays[f"layer {layer} special"] = np.asarray(tokens[layer].special)
    return arrays


def check_sample_rate(bench: EncoderBench) -> None:
    """sample_rate is a positive whole number of Hz."""
    rate = bench.build().sample_rate
    good = isinstance(rate, int) and not isinstance(rate, bool) and rate > 0
    why = "audio is resampled to it before encode."
    require(good, f"sample_rate is {rate!r}, not a positive int.", why, "it is missing, a float, or in kHz.")


def check_layers(bench: EncoderBench) -> None:
    """Layers names at least one layer, each an int or a string, none twice."""
    layers = list(bench.build().layers)
    named = bool(layers) and all(isinstance(layer, (int, str)) for layer in layers)
    why = "a portfolio asks for layers by these names, and takes the last one if it names none."
    cause = "an empty list, names that are neither int nor str, or a name used twice."
    require(named and len(set(layers)) == len(layers), f"layers is {layers!r}.", why, cause)


def check_one_tokens_per_layer(bench: EncoderBench) -> None:
    """Every layer asked for comes back: patches (n_clips, time, band, dim) float32, exact float64; special or None."""
    encoder = bench.ready()
    layers = list(encoder.layers)
    _check_tokens(encoder, encoder.encode(bench.rows(3, seed=1)["audio"], layers), layers, n_clips=3)


def check_one_clip_and_a_batch(bench: EncoderBench) -> None:
    """One clip and several clips are both accepted, and give as many rows."""
    encoder = bench.ready()
    for n_clips in (1, 5):
        layer = encoder.layers[-1]
        _check_tokens(encoder, encoder.encode(bench.rows(n_clips, seed=2)["audio"], [layer]), [layer], n_clips)


def check_short_and_long_clips(bench: EncoderBench) -> None:
    """Clips of 1 s and of 12 s are both accepted, by the same object and in either order."""
    encoder = bench.ready()
    for seconds in (1, 12, 1):
        audio = bench.sounds(1, seconds * bench.sample_rate, seed=seconds)
        _check_tokens(encoder, encoder.encode(audio, [encoder.layers[-1]]), [encoder.layers[-1]], n_clips=1)


def check_tokens_are_finite(bench: EncoderBench) -> None:
    """Ordinary clips give finite tokens in every layer."""
    for name, values in bench.once(bench.rows(3, seed=3)).items():
        bad = int(np.sum(~np.isfinite(values)))
        why = "a NaN in one token spoils the features of its clip."
        require(not bad, f"{name} has {bad} values that are not finite.", why, "an overflow, or a logarithm of zero.")


def check_unknown_layer_is_refused(bench: EncoderBench) -> None:
    """Asking for a layer that does not exist raises AsdcoreError, KeyError or ValueError."""
    encoder = bench.ready()
    audio = bench.rows(1, seed=4)["audio"]
    for layer in ("no_such_layer", 10_000):
        try:
            encoder.encode(audio, [layer])
        except (AsdcoreError, KeyError, ValueError):
            continue
        observed = f"encode(audio, layers=[{layer!r}]) raised nothing."
        why = "a misspelt layer must not pass for another one."
        require(False, observed, why, "layers is ignored, or an unknown name falls back to a default.")


def check_layers_together_equal_single(bench: EncoderBench) -> None:
    """A layer asked for with others equals the same layer asked for alone."""
    encoder = bench.ready()
    audio, layers = bench.rows(2, seed=5)["audio"], list(encoder.layers)
    together = encoder.encode(audio.copy(), layers)
    for layer in dict.fromkeys((layers[0], layers[len(layers) // 2], layers[-1])):
        alone = encoder.encode(audio.copy(), [layer])
        gap = difference(flatten(alone, [layer]), flatten(together, [layer]), bench.rtol)
        observed = f"Layer {layer!r} asked for with others differs from the same layer alone: {gap}."
        why = "one forward pass serves every layer a portfolio asks for."
        require(not gap, observed, why, "a later layer works in place on the tensor that was kept for an earlier one.")


def check_halves_make_the_whole(bench: EncoderBench) -> None:
    """Clips of two lengths, prepared and then encoded, get the tokens that encode gives each, if it has halves."""
    encoder = bench.ready()
    has = [hasattr(encoder, name) for name in ("prepare", "encode_prepared")]
    why = "a run uses the halves, and everything else encode: both must mean the same encoder."
    require(has[0] == has[1], "There is one of prepare and encode_prepared.", why, "a misspelt method.")
    if not all(has):
        return
    audio, layers = bench.rows(2, seed=7)["audio"], list(encoder.layers)
    clips = [audio[:1], audio[1:, ..., : audio.shape[-1] * 3 // 4], audio[1:]]
    halves = encoder.encode_prepared([encoder.prepare(clip.copy()) for clip in clips], layers)
    require(len(halves) == len(clips), f"{len(halves)} results for {len(clips)} clips.", why, "a joined result.")
    for clip, half in zip(clips, halves, strict=True):
        whole = flatten(encoder.encode(clip.copy(), layers), layers)
        gap = difference(whole, flatten(half, layers), bench.rtol)
        require(not gap, f"The halves differ from encode: {gap}.", why, "encode does more than call its two halves.")


CHECKS = (
    check_sample_rate,
    check_layers,
    check_channels,
    check_one_tokens_per_layer,
    check_one_clip_and_a_batch,
    check_short_and_long_clips,
    check_tokens_are_finite,
    check_unknown_layer_is_refused,
    check_layers_together_equal_single,
    check_halves_make_the_whole,
)


def _check_tokens(encoder: Any, tokens: Any, layers: Sequence[Any], n_clips: int) -> None:
    dtype, other = ("float64", "float32") if is_exact(encoder) else ("float32", "float64")
    who = "of an exact encoder " if is_exact(encoder) else ""
    why = f"pooling reads {who}patches (n_clips, time, band, dim) and special (n_clips, k, dim), both {dtype}."
    missing = [layer for layer in layers if layer not in tokens]
    require(
        not missing, f"Layers {missing} were asked for and did not come back.", why, "another key, or a skipped layer."
    )
    extra = [layer for layer in tokens if layer not in layers]
    require(not extra, f"Layers {extra} came back without being asked for.", why, "every layer is returned always.")
    for layer in layers:
        for part, n_axes in (("patches", 4), ("special", 3)):
            values: Any = getattr(tokens[layer], part, None)
            if values is None and part == "special":
                continue
            good = isinstance(values, np.ndarray) and values.dtype == np.dtype(dtype)
            good = good and values.ndim == n_axes and values.shape[0] == n_clips and 0 not in values.shape
            observed = f"{part} of layer {layer!r} for {n_clips} clips: {describe(values)}."
            cause = f"a missing band axis (one band if there is no frequency axis), a tensor, or {other}."
            require(good, observed, why, cause)
