"""The view audit: what it says of a view agrees with the truth where that is known."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from asdcore import AsdcoreError, DataError, PortfolioError
from asdcore.cli.views import audit_views as command
from asdcore.data.synth.acoustics import Noise, block_length, hear_machine, hear_noise
from asdcore.data.synth.draws import generator
from asdcore.data.synth.probes import FAULTS, heard
from asdcore.data.synth.profiles import MACHINES
from asdcore.data.synth.signals import decibels
from asdcore.portfolio import parse_portfolio
from asdcore.preflight import view_audit
from asdcore.preflight.view_audit import _verdict, audit_views

RATE = 16000


def portfolio(*views):
    branches = {f"b{i}": {"view": view, "encoder": "logmel", "scorer": "knn"} for i, view in enumerate(views)}
    return parse_portfolio({"name": "views", "branches": branches, "systems": {"one": {"weights": {"b0": 1.0}}}})


def write(root, clips, rate=RATE):
    """Write train normals (2, n_samples) of one machine, all of the source domain."""
    for i, clip in enumerate(clips):
        path = root / "fan" / "train" / f"section_00_source_train_normal_{i:04d}_spd_1.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.asarray(clip).T, rate, subtype="FLOAT")
    return root


def noise(n_samples, seed, beta=0.5):
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n_samples))
    return np.fft.irfft(spectrum * np.maximum(np.arange(len(spectrum)), 20.0) ** -beta, n_samples) * 2


def apart(seed, n_samples=RATE):
    """A near and a far microphone that hear nothing in common."""
    return np.stack([noise(n_samples, seed), noise(n_samples, seed + 500)])


def audited(root, *views, **options):
    return {one.view: one for one in audit_views(portfolio(*views), root, **options).findings}


@pytest.fixture(scope="module")
def unrelated(tmp_path_factory):
    return write(tmp_path_factory.mktemp("unrelated"), [apart(seed) for seed in range(2)])


def test_the_near_channel_keeps_everything_and_removes_nothing(unrelated):
    near = audited(unrelated, "near")["near"]
    assert near.retention["median"] == pytest.approx(1, abs=1e-4)
    assert near.retention["q05"] == pytest.approx(1, abs=1e-4)
    assert near.gain_db["median"] == pytest.approx(0, abs=1e-3)
    assert near.removed_db == pytest.approx(0, abs=1e-6)
    assert near.verdict == "trust"
    assert (near.machine, near.section, near.clips) == ("fan", "00", 2)
    assert set(near.by_fault) == set(FAULTS)


def test_the_mean_of_unrelated_channels_is_half_the_fault(unrelated):
    # A quarter of the energy of both, and what the far microphone hears of the fault on top of a half of it.
    mean = audited(unrelated, "mean")["mean"]
    assert mean.removed_db == pytest.approx(10 * np.log10(2), abs=0.4)
    assert 0.2 < mean.retention["median"] < 0.45
    assert mean.verdict == "avoid"


def test_of_a_long_clip_the_middle_is_heard(tmp_path, monkeypatch):
    # Only there the microphones hear nothing in common, so that their mean is quieter.
    alike = np.stack([noise(RATE, 1)] * 2)
    write(tmp_path, [np.concatenate([alike, apart(0, RATE), alike], axis=1)])
    whole = audited(tmp_path, "mean")["mean"]
    monkeypatch.setattr(view_audit, "MOST_SAMPLES", RATE)
    middle = audited(tmp_path, "mean")["mean"]
    assert whole.removed_db < 1.5 < middle.removed_db == pytest.approx(10 * np.log10(2), abs=0.4)


def test_a_long_clip_that_changed_since_it_was_listed_is_refused(unrelated, monkeypatch):
    monkeypatch.setattr(view_audit, "MOST_SAMPLES", RATE // 2)
    (path, *_) = (unrelated / "fan" / "train").iterdir()
    with pytest.raises(DataError, match="changed since it was indexed"):
        view_audit._probed(path, "0" * 64, RATE, RATE)


def test_a_canceller_that_removes_the_machine_is_found_out(tmp_path):
    # The far microphone hears the machine, later and 12 dB below, and nothing else: all of it can be predicted.
    machines = [noise(2 * RATE + 100, seed) for seed in range(2)]
    root = write(tmp_path, [np.stack([one[100:], 0.25 * one[:-100]]) for one in machines])
    w1 = audited(root, "w1")["w1"]
    assert w1.own_way > 0.95
    assert w1.retention["median"] < 0.1
    assert w1.removed_db > 10
    assert w1.gain_db["median"] < 0
    assert w1.verdict == "avoid"


def test_a_canceller_that_removes_a_shared_environment_gains(tmp_path):
    clips = []
    for seed in range(2):
        around = noise(2 * RATE + 40, seed)
        clips.append(0.1 * apart(seed + 50, 2 * RATE) + np.stack([around[40:], around[:-40]]))
    w1 = audited(write(tmp_path, clips), "w1")["w1"]
    assert w1.own_way < 0.2
    assert w1.removed_db > 10
    assert w1.gain_db["median"] > 5
    assert w1.retention["median"] > 0.5


def truth(view, clips):
    """Median retention of the synthetic machines' own faults, heard as the machine is."""
    from asdcore import load_view
    from asdcore.preflight.fault_probes import _retention, _spectra

    make, kept = load_view(view), []
    for clip, fault in clips:
        louder = fault * (np.sqrt(np.mean(clip[0] ** 2) / np.mean(fault[0] ** 2)) * decibels(-6))
        changed = make((clip + louder).astype(np.float32), RATE) - make(clip.astype(np.float32), RATE)
        kept.append(_retention(_spectra(louder[0], RATE), _spectra(changed, RATE)))
    return float(np.median(kept))


def synthetic(snr_db, drr_db, independent, n_samples=3 * RATE):
    """Normal clips (2, n_samples), and for each what a fault of its machine would add."""
    spec = Noise(snr_db=snr_db, drr_db=drr_db, independent=independent)
    for name in ("SynGearbox", "SynBearing", "SynSlider", "SynFan"):
        kind, block = MACHINES[name], block_length(n_samples)
        value, fault = next(iter(kind.source)), kind.faults[-1]
        well, ill = (
            kind(0).sound(generator("sound", name), value, block, kind.severity(one, 0.65)) for one in (None, fault)
        )
        machine, added = (hear_machine(one, 0, name, "source", drr_db, n_samples) for one in (well, ill - well))
        level = 0.05 / np.sqrt(np.mean(machine[0] ** 2))
        around = hear_noise(generator("noise", name), 0, name, "source", spec, n_samples)
        yield machine * level + around * (0.05 * decibels(-snr_db)), added * level


@pytest.mark.parametrize(
    ("snr_db", "drr_db", "independent"),
    [(-4, 20, 0.02), (25, 20, 0.02), (0, 0, 0.3)],
    ids=["env", "machine", "diffuse"],
)
def test_retention_is_near_that_of_real_faults(tmp_path, snr_db, drr_db, independent):
    clips = list(synthetic(snr_db, drr_db, independent))
    findings = audited(write(tmp_path, [clip for clip, _ in clips]), "w1", "spectral_subtraction")
    for view, found in findings.items():
        assert found.retention["median"] == pytest.approx(truth(view, clips), abs=0.25), view
    # A linear canceller pays where the environment is in front and reaches both microphones alike, and only there.
    assert (findings["w1"].gain_db["median"] > 0) == (snr_db == -4)


def test_same_figures_every_time_and_whatever_else_is_audited(unrelated):
    first = audited(unrelated, "w1", "near")
    again = audited(unrelated, "mean", "w1")
    assert first["w1"] == again["w1"]


def test_views_with_other_parameters_are_other_views(unrelated):
    found = audited(unrelated, "w1", {"name": "w1", "n_fft": 512, "hop": 128}, "w1")
    assert list(found) == ["w1", "w1(hop=128, n_fft=512)"]
    assert found["w1"].retention != found["w1(hop=128, n_fft=512)"].retention


def injected(root, monkeypatch, **options):
    """Return the audio of one clip, and what was added to it, fault by fault."""
    heard_by_view = []

    def spy(name, parameters, audio, rate):
        heard_by_view.append(audio)
        return audio[0]

    monkeypatch.setattr("asdcore.preflight.fault_probes.waveform", spy)
    audited(root, "near", clips=1, **options)
    clip, *louder = heard_by_view
    return clip, [one - clip for one in louder]


@pytest.mark.parametrize("level_db", [-6.0, 12.0])
def test_every_fault_has_the_level_asked_for_at_the_near_microphone(unrelated, monkeypatch, level_db):
    clip, faults = injected(unrelated, monkeypatch, level_db=level_db)
    assert len(faults) == len(FAULTS)
    for near, _ in faults:
        assert 10 * np.log10(np.mean(near**2) / np.mean(clip[0] ** 2)) == pytest.approx(level_db, abs=0.01)


@pytest.mark.parametrize("rate", [8000, 48_000])
def test_faults_keep_their_pitch_at_another_sample_rate(tmp_path, monkeypatch, rate):
    root = write(tmp_path, [apart(0, rate)], rate=rate)
    (path,) = root.rglob("*.wav")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    near, _ = injected(root, monkeypatch)[1][list(FAULTS).index("hum")]
    made = heard("hum", generator("view audit", sha256, "hum"), RATE + 1)[0]
    there = np.interp(np.arange(rate) / rate, np.arange(RATE + 1) / RATE, made)
    assert near.shape == (rate,)
    assert np.corrcoef(near, there)[0, 1] > 0.99
    monkeypatch.undo()
    assert audited(root, "near")["near"].retention["median"] == pytest.approx(1, abs=1e-4)


def test_few_clips_of_each_domain_are_heard(dataset):
    found = audit_views(portfolio("near"), dataset, task="dcase2026", clips=2).findings
    assert [(one.machine, one.clips) for one in found] == [("3DPrinter", 4), ("fan", 4)]


def test_silent_clips_are_passed_over_unless_all_are(tmp_path):
    assert audited(write(tmp_path / "a", [np.zeros((2, RATE)), apart(0)]), "near")["near"].clips == 1
    with pytest.raises(DataError, match="fan section 00: all chosen train clips are silent"):
        audited(write(tmp_path / "b", [np.zeros((2, RATE))]), "near")


def test_one_channel_is_refused(tmp_path, make_dataset):
    root = make_dataset(tmp_path, ("fan",), source=3, target=1, test=1, channels=1)
    with pytest.raises(DataError, match=r"wav has 1 channel\(s\), not a near and a far one"):
        audited(root, "near")


def test_a_view_of_both_channels_is_refused_by_its_branch(unrelated):
    with pytest.raises(PortfolioError, match=r"branches\.b1: view 'stereo' gives both channels, but an audit .*Audit"):
        audited(unrelated, "near", "stereo")


@pytest.mark.parametrize("options", [{"clips": 0}, {"level_db": 21.0}, {"level_db": float("nan")}])
def test_bad_options_are_refused(options, unrelated):
    with pytest.raises(AsdcoreError, match="clips must be at least 1 and level_db from -60 to 20"):
        audited(unrelated, "near", **options)


@pytest.mark.parametrize(
    ("median", "q05", "gain", "verdict"),
    [
        (0.9, 0.7, 0.0, "trust"),
        (0.9, 0.7, -0.5, "avoid"),
        (0.8, 0.7, 3.0, "trade"),
        (0.9, 0.6, 3.0, "trade"),
        (0.8, 0.7, 0.0, "avoid"),
    ],
)
def test_verdicts(median, q05, gain, verdict):
    assert _verdict({"median": median, "q05": q05}, {"median": gain, "q05": gain - 1}) == verdict


@pytest.mark.parametrize("fault", list(FAULTS))
def test_every_fault_sounds_in_every_clip_and_is_louder_near(fault):
    for seed in range(5):
        near, far = heard(fault, generator("test", fault, seed), RATE)
        assert np.isfinite(near).all()
        assert np.mean(near**2) > 2 * np.mean(far**2) > 0


def test_command_prints_a_table_or_json(unrelated, tmp_path):
    app = typer.Typer()
    app.command()(command)
    path = tmp_path / "one.toml"
    path.write_text(
        'name = "one"\n[branches.b]\nencoder = "logmel"\nscorer = "knn"\n[systems.s]\nweights = { b = 1.0 }\n'
    )
    arguments = [str(path), "--data", str(unrelated), "--clips", "1"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "fan      00       near        0.00  1.00" in shown.stdout
    told = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert told["findings"][0]["view"] == "near"
    assert told["findings"][0]["verdict"] == "trust"
    assert told["level_db"] == -6.0


def test_the_view_that_a_branch_takes_away_is_audited_too(unrelated):
    branch = {"encoder": "logmel", "scorer": "knn", "residual": {"view": "far"}}
    values = {"name": "views", "branches": {"b": branch}, "systems": {"one": {"weights": {"b": 1.0}}}}
    found = audit_views(parse_portfolio(values), unrelated).findings
    assert {one.view for one in found} == {"near", "far"}


def test_the_clips_that_are_listened_to_are_no_neighbours(tmp_path, monkeypatch):

    root, listened = write(tmp_path, [apart(seed, RATE // 4) for seed in range(12)]), []
    heard_as_usual = view_audit.decode
    monkeypatch.setattr(view_audit, "decode", lambda path, *more: listened.append(path) or heard_as_usual(path, *more))
    audited(root, "near", clips=3)
    assert sorted(int(path.name.split("_")[5]) for path in listened) == [2, 6, 10]
