"""What holds of every augmentation: the same draws from the same seed, labels that add up, nothing without draws."""

from __future__ import annotations

import pytest
import torch

from asdcore_plugins.trained.augmentations.by_name import AUGMENTATIONS, build_augmentation

PARAMETERS = {"featex": {"branch_dims": [3, 3, 2]}, "specaug": {"n_fft": 64}}
SHAPES = {"wave": (6, 800), "magnitude": (6, 9, 11), "embedding": (6, 8)}


def built(name, **parameters):
    augmentation = build_augmentation(name, **PARAMETERS.get(name, {}) | parameters)
    return augmentation, torch.rand(SHAPES[augmentation.stage], generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_draws_come_from_the_generator_alone(name):
    augmentation, values = built(name)
    draws = [augmentation.draw(values.shape, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)]
    torch.manual_seed(9)
    assert all(torch.equal(draws[0][key], draws[1][key]) for key in draws[0])
    assert not all(torch.equal(draws[0][key], draws[2][key]) for key in draws[0])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_labels_add_up_and_values_change(name):
    parameters = {"time_probability": 1.0} if name == "specaug" else {"probability": 1.0}
    augmentation, values = built(name, **parameters)
    labels = torch.eye(6)[:, :4]
    labels[4:, 0] = 1.0
    changed, marked = augmentation(values, labels, augmentation.draw(values.shape, torch.Generator().manual_seed(2)))
    assert changed.shape == values.shape
    assert not torch.equal(changed, values)
    assert marked.shape == (6, 4 * augmentation.times_classes)
    assert torch.allclose(marked.sum(dim=1), torch.ones(6))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_without_a_generator_nothing_changes(name):
    augmentation, values = built(name)
    changed, marked = augmentation(values, torch.eye(6), augmentation.draw(values.shape, None))
    assert torch.allclose(changed, values, atol=1e-6)
    assert torch.equal(marked[:, :6], torch.eye(6))
    assert not marked[:, 6:].any()


def test_mixup_of_spectra_is_the_spectrum_of_the_mixture():
    mixup, wave = built("mixup")
    draws = mixup.draw(wave.shape, torch.Generator().manual_seed(3))
    spectra = torch.fft.rfft(wave.double())
    assert torch.allclose(mixup.change(spectra, draws), torch.fft.rfft(mixup.change(wave.double(), draws)), atol=1e-12)


def test_blends_of_a_new_class_stand_for_anomalies():
    mixup = build_augmentation("mixup", probability=1.0, label="new_class")
    assert mixup.classes_after(4) == 5
    values, labels = torch.rand(3, 8), torch.eye(3)
    draws = {"lam": torch.full((3,), 0.5), "perm": torch.tensor([1, 0, 2]), "apply": torch.tensor([1.0, 0.0, 1.0])}
    changed, marked = mixup(values, labels, draws)
    assert torch.allclose(changed[0], (values[0] + values[1]) / 2)
    # The second was not to be blended, and the third was drawn as its own partner.
    assert marked.tolist() == [[0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    assert torch.equal(changed[1:], values[1:])


def test_noise_lies_as_many_decibels_below_the_sample():
    noise = build_augmentation("noise", lowest=6.0, highest=6.0, probability=1.0)
    wave = torch.stack([torch.full((40_000,), 0.5), torch.full((40_000,), 8.0), torch.zeros(40_000)])
    added = noise.change(wave, noise.draw(wave.shape, torch.Generator().manual_seed(1))) - wave
    levels = added.square().mean(dim=1).sqrt()
    assert levels[:2].tolist() == pytest.approx([0.5 * 10 ** (-6 / 20), 8.0 * 10 ** (-6 / 20)], rel=0.02)
    assert levels[2] == 0.0


@pytest.mark.parametrize(
    ("name", "parameters", "factor"),
    [
        ("speed", {"factors": [1.25]}, 1.25),
        ("speed", {"factors": [0.5]}, 0.5),
        ("pitch", {"semitones": [12]}, 2.0),
        ("pitch", {"semitones": [-5]}, 2 ** (-5 / 12)),
    ],
)
def test_speed_and_pitch_move_a_tone_and_keep_the_length(name, parameters, factor):
    augmentation = build_augmentation(name, probability=1.0, **parameters)
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(16_000) / 16_000)[None]
    changed = augmentation.change(tone, augmentation.draw(tone.shape, torch.Generator().manual_seed(1)))
    assert changed.shape == tone.shape
    spectrum = torch.fft.rfft(changed[0] * torch.hann_window(16_000)).abs()
    assert int(spectrum.argmax()) == pytest.approx(1000 * factor, abs=2)
    assert changed[0, -2000:].std() == pytest.approx(float(tone.std()), rel=0.2)


def test_pitch_keeps_the_time_of_what_happens_and_speed_does_not():
    wave = torch.zeros(1, 16_000)
    wave[0, 8000:8400] = torch.sin(2 * torch.pi * 1000 * torch.arange(400) / 16_000)
    at = {}
    for name, parameters in (("pitch", {"semitones": [7]}), ("speed", {"factors": [2.0]})):
        augmentation = build_augmentation(name, probability=1.0, **parameters)
        changed = augmentation.change(wave, augmentation.draw(wave.shape, torch.Generator().manual_seed(1)))
        energy = changed[0, : 8000 if name == "speed" else None].square()
        at[name] = float((energy * torch.arange(len(energy))).sum() / energy.sum())
    assert at["pitch"] == pytest.approx(8200, abs=300)
    assert at["speed"] == pytest.approx(4100, abs=50)


def test_statex_of_a_constant_row_is_the_mean_of_the_partner():
    statex = build_augmentation("statex", probability=1.0)
    values = torch.rand(2, 3, 20)
    values[0, 1] = 0.1  # whose mean is not 0.1 to the last bit
    changed = statex.change(values, {"perm": torch.tensor([1, 0]), "apply": torch.ones(2)})
    assert torch.allclose(changed[0, 1], values[1, 1].mean())
    assert changed.isfinite().all()


def test_masks_wider_than_a_spectrogram_stay_inside():
    specaug = build_augmentation("specaug", stage="magnitude", time_width=500, freq_width=500)
    draws = specaug.draw((64, 9, 11), torch.Generator().manual_seed(4))
    assert (draws["time_start"] >= 0).all()
    assert (draws["time_start"] + draws["time_width"] <= 11).all()
    assert (draws["freq_start"] + draws["freq_width"] <= 9).all()


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("reverb", {}, "no augmentation 'reverb'; allowed are featex, mixup"),
        ("mixup", {"label": "anomaly"}, "label is 'anomaly'; allowed are blend, new_class"),
        ("noise", {"lowest": 5.0, "highest": 4.0}, r"lowest is 5.0 dB and highest 4.0 dB; allowed"),
        ("speed", {"factors": []}, r"factors is \[\]; allowed are one or more from 0.1 to 10.0"),
        ("speed", {"factors": [1.0, 0.0]}, r"factors is \[1.0, 0.0\]"),
        ("pitch", {"semitones": [25]}, r"semitones is \[25\]; allowed are one or more from -24 to 24"),
        ("mixup", {"probability": 2.0}, "probability is 2.0; allowed is 0 to 1"),
        ("mixup", {"p": 0.5}, "'mixup' has no parameter 'p'; allowed are probability"),
        ("specaug", {"stage": "fbank"}, "stage is 'fbank'"),
        ("statex", {"axis": "bins"}, "axis is 'bins'"),
        ("featex", {"branch_dims": [8]}, "at least two branches"),
    ],
)
def test_what_is_refused(name, parameters, message):
    with pytest.raises(ValueError, match=message):
        build_augmentation(name, **parameters)
