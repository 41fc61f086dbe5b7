"""The synthetic set: every clip is itself, whatever else is made, and it has the physics it claims."""

from __future__ import annotations

import csv
import hashlib
import itertools
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore.data.synth import PROFILES, acoustics, clip_count, synthesize, synthesize_clip
from asdcore.data.synth import clip as clip_module
from asdcore.data.synth import recording as recording_module
from asdcore.data.synth.clip import components
from asdcore.data.synth.dataset import MARKER
from asdcore.data.synth.draws import generator
from asdcore.data.synth.profiles import DOMAINS, MACHINES, Clip, Profile
from asdcore.data.synth.recording import Recording, recording
from asdcore.data.synth.rotating import SynBearing
from asdcore.data.synth.signals import (
    SAMPLE_RATE,
    BearingOrders,
    Harmonics,
    fast_length,
    noise,
    rings,
    shaft_phase,
    strikes,
    wander,
)
from asdcore.errors import AsdcoreError, DataError
from asdcore.store.disk.atomic import LOCK, _mine

TINY = PROFILES["tiny"]
NAME = re.compile(r"section_00_(source|target)_(train|test)_(normal|anomaly)_(\d{4})_([a-z]+)_(\w+)\.wav")


def contents(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def forget() -> None:
    for cached in (
        acoustics.room,
        acoustics._transfer,
        recording_module._place,
        clip_module._machine,
        clip_module._reference_level,
    ):
        cached.cache_clear()


def near(path: Path) -> np.ndarray:
    samples: np.ndarray = soundfile.read(path)[0][:, 0]
    return samples


def mel_means(samples: np.ndarray) -> np.ndarray:
    """Return the mean log-mel spectrum (128,) of (n_samples,)."""
    hz, mel = np.fft.rfftfreq(1024, 1 / SAMPLE_RATE), np.linspace(0, 2840, 130)
    low, centre, high = (700 * (10 ** (mel[k : k + 128, None] / 2595) - 1) for k in range(3))
    bands = np.maximum(0, np.minimum((hz - low) / (centre - low), (high - hz) / (high - centre)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, 1024)[::512]
    power = np.abs(np.fft.rfft(frames * np.hanning(1024))) ** 2
    means: np.ndarray = np.log(power @ bands.T + 1e-8).mean(axis=0)
    return means


def decibels_of(sound: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(sound**2)))


@pytest.fixture
def tiny(tiny_sound: Path) -> Path:
    return tiny_sound


clips = st.builds(
    Clip,
    machine=st.sampled_from(TINY.machines),
    split=st.sampled_from(["train", "test"]),
    domain=st.sampled_from(DOMAINS),
    label=st.sampled_from(["normal", "anomaly"]),
    index=st.integers(0, 60),
)


# --- a clip depends on its own name only -----------------------------------------------------------------------------


@given(clip=clips, before=st.lists(clips, max_size=2), seed=st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_clip_does_not_depend_on_what_was_made_before(clip: Clip, before: list[Clip], seed: int) -> None:
    forget()
    alone = synthesize_clip("tiny", seed, *clip.key)
    forget()
    for other in before:
        synthesize_clip("tiny", seed, *other.key)
    assert np.array_equal(alone, synthesize_clip("tiny", seed, *clip.key))
    assert alone.shape == (2, TINY.n_samples)
    assert alone.dtype == np.int16


def test_every_part_of_the_name_changes_the_clip() -> None:
    base = ("tiny", 0, "SynBearing", "train", "source", "normal", 0)
    others = [
        ("tiny", 1, "SynBearing", "train", "source", "normal", 0),
        ("tiny", 0, "SynFan", "train", "source", "normal", 0),
        ("tiny", 0, "SynBearing", "test", "source", "normal", 0),
        ("tiny", 0, "SynBearing", "train", "target", "normal", 0),
        ("tiny", 0, "SynBearing", "train", "source", "anomaly", 0),
        ("tiny", 0, "SynBearing", "train", "source", "normal", 4),  # the same attribute value again
    ]
    sounds = [synthesize_clip(*name).astype(float) for name in (base, *others)]
    for one, two in itertools.combinations(sounds, 2):
        assert abs(np.corrcoef(one[0], two[0])[0, 1]) < 0.5


def test_samples_are_those_of_generation_2() -> None:
    # other samples here mean other bytes for every user: raise GENERATION in dataset.py and say so in the changelog
    got = {name: synthesize_clip("tiny", 0, name, "test", "source", "anomaly", 0)[:, 8000:8004] for name in GOLDEN}
    for name, samples in GOLDEN.items():
        assert np.abs(got[name].astype(int) - samples).max() <= 1, f"{name}: {got[name].tolist()}"


GOLDEN = {
    "SynFan": [[-1110, -1193, -500, -567], [550, 556, 283, 302]],
    "SynGearbox": [[885, 134, 229, -214], [-29, -109, -196, -278]],
    "SynBearing": [[370, 463, 40, 226], [297, -131, -440, -546]],
    "SynValve": [[-359, -36, 264, -47], [194, -383, 32, -908]],
    "SynSlider": [[-32, 908, 377, -169], [-47, 109, -48, -466]],
    "SynPump": [[641, 450, 113, -67], [-640, -833, -413, -904]],
    "SynCar": [[-53, 141, 115, -207], [806, 621, 30, 223]],
}


def test_workers_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, "small", Profile(("SynValve", "SynFan"), 1, train_source=4, train_target=2, test=2))
    ticks: list[None] = []
    one = synthesize(tmp_path / "one", "small", seed=0)
    two = synthesize(tmp_path / "two", "small", seed=0, workers=2, on_clip=lambda: ticks.append(None))
    assert contents(two) == contents(one)
    assert len(ticks) == clip_count("small") == 2 * (4 + 2 + 4 * 2)


def test_workers_that_no_machine_has_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(AsdcoreError, match="--workers must be at least 1 and at most 1,000"):
        synthesize(tmp_path / "new", "tiny", workers=10**30)
    assert not (tmp_path / "new").exists()


def test_file_holds_the_clip(tiny: Path) -> None:
    clip = Clip("SynValve", "test", "target", "anomaly", 7)
    samples, rate = soundfile.read(tiny / clip.path, dtype="int16")
    assert rate == 16_000
    assert np.array_equal(samples.T, synthesize_clip("tiny", 0, *clip.key))
    assert soundfile.info(tiny / clip.path).subtype == "PCM_16"


# --- names and layout ------------------------------------------------------------------------------------------------


def test_layout_is_that_of_dcase_2026(tiny: Path) -> None:
    assert {path.name for path in tiny.iterdir() if path.is_dir()} == set(TINY.machines)
    for machine in TINY.machines:
        assert {path.name for path in (tiny / machine).iterdir()} == {"train", "test", "attributes_00.csv"}
        counts: Counter[tuple[str, str, str]] = Counter()
        for path in (tiny / machine).glob("*/*"):
            found = NAME.fullmatch(path.name)
            assert found, path.name
            domain, split, label, _, attribute, value = found.groups()
            assert split == path.parent.name
            assert attribute == MACHINES[machine].attribute
            assert value in MACHINES[machine].values(domain)
            counts[split, domain, label] += 1
        assert counts == {
            ("train", "source", "normal"): 40,
            ("train", "target", "normal"): 10,
            **{("test", domain, label): 12 for domain in DOMAINS for label in ("normal", "anomaly")},
        }


def test_attributes_csv_says_what_the_names_say(tiny: Path) -> None:
    for machine in TINY.machines:
        with (tiny / machine / "attributes_00.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == ["file_name", "d1p", "d1v"]
        on_disk = {path.relative_to(tiny).as_posix() for path in (tiny / machine).glob("*/*.wav")}
        assert sorted(row["file_name"] for row in rows) == sorted(on_disk)
        assert all(row["file_name"].endswith(f"_{row['d1p']}_{row['d1v']}.wav") for row in rows)


@pytest.mark.parametrize("profile", PROFILES)
def test_counts_and_coverage_of_a_profile(profile: str) -> None:
    size = PROFILES[profile]
    planned = list(size.clips())
    assert len({clip.path for clip in planned}) == len(planned) == clip_count(profile)
    assert clip_count("demo") == 1050
    for machine in size.machines:
        kind = MACHINES[machine]
        for domain in DOMAINS:
            met = {
                (clip.value, clip.fault)
                for clip in planned
                if (clip.machine, clip.domain, clip.label) == (machine, domain, "anomaly")
            }
            assert met == set(itertools.product(kind.values(domain), kind.faults))


@pytest.mark.parametrize("machine", MACHINES)
def test_domains_share_no_attribute_value(machine: str) -> None:
    kind = MACHINES[machine]
    assert not set(kind.source) & set(kind.target)
    assert not set(kind.source.values()) & set(kind.target.values())
    assert not [clip.fault for clip in PROFILES["demo"].clips() if clip.label == "normal" and clip.fault]


# --- recordings ------------------------------------------------------------------------------------------------------


def runs_of(profile: Profile, machine: str, domain: str) -> list[list[Clip]]:
    train = [one for one in profile.clips() if (one.machine, one.split, one.domain) == (machine, "train", domain)]
    return [list(run) for _, run in itertools.groupby(train, key=lambda one: one.recording)]


@pytest.mark.parametrize("profile", PROFILES)
def test_train_clips_of_a_recording_are_contiguous_and_have_one_attribute_value(profile: str) -> None:
    size = PROFILES[profile]
    for machine in size.machines:
        for domain in DOMAINS:
            runs = runs_of(size, machine, domain)
            assert len({run[0].recording for run in runs}) == len(runs)  # contiguous: none comes back later
            assert all(len({clip.value for clip in run}) == 1 for run in runs)
            assert {run[0].value for run in runs} == set(MACHINES[machine].values(domain))
            assert max(map(len, runs)) <= size.run
        assert len(runs_of(size, machine, "source")) >= 8


def test_every_test_clip_has_a_recording_of_its_own() -> None:
    planned = list(TINY.clips())
    tested = [one.recording for one in planned if one.split == "test"]
    assert len(set(tested)) == len(tested)
    assert not set(tested) & {one.recording for one in planned if one.split == "train"}


def test_clips_of_a_recording_share_its_conditions() -> None:
    # the mean log-mel spectrum leaves one out by its neighbours on a real set, too: the module says how near they are
    size = PROFILES["demo"]
    ratios = []
    for machine in ("SynBearing", "SynCar"):
        planned = [size.clip(machine, "train", "source", "normal", index) for index in range(size.train_source)]
        spectra = np.stack([mel_means(synthesize_clip("demo", 0, *one.key)[0] / 2**15) for one in planned])
        apart = np.linalg.norm(spectra[:, None] - spectra, axis=2)
        run = np.array([one.run for one in planned])
        alike = np.equal.outer(*[np.array([one.value for one in planned])] * 2)
        within = np.equal.outer(run, run) & ~np.eye(len(run), dtype=bool)
        ratios.append(np.median(apart[within]) / np.median(apart[alike & ~within & ~np.eye(len(run), dtype=bool)]))
    assert 0.6 < np.mean(ratios) < 0.92


def test_recording_of_its_own_changes_nothing_without_conditions() -> None:
    sound = generator("dry").standard_normal(acoustics.block_length(SAMPLE_RATE))
    still = acoustics.hear_machine(sound, 0, "SynFan", "source", 20.0, SAMPLE_RATE)
    coloured = recording(0, ("a run",), ("a clip",))
    assert np.array_equal(still, acoustics.hear_machine(sound, 0, "SynFan", "source", 20.0, SAMPLE_RATE, Recording()))
    changed = acoustics.hear_machine(sound, 0, "SynFan", "source", 20.0, SAMPLE_RATE, coloured)
    assert 0.01 < np.std(changed - still) / np.std(still) < 0.3


def test_clip_by_clip_promises_too_much_and_recording_by_recording_holds(tiny: Path) -> None:
    # what the set is for: test normals above the 0.8 quantile of the train normals' nearest-neighbour distances
    shares: dict[str, list[float]] = {"clip": [], "recording": []}
    for machine in TINY.machines:
        train = [one for one in TINY.clips() if (one.machine, one.split, one.domain) == (machine, "train", "source")]
        tested = [Clip(machine, "test", "source", "normal", index) for index in range(12)]
        bank, fresh = (np.stack([mel_means(near(tiny / one.path)) for one in some]) for some in (train, tested))
        score = np.linalg.norm(fresh[:, None] - bank, axis=2).min(axis=1)
        apart = np.linalg.norm(bank[:, None] - bank, axis=2)
        for name, groups in (("clip", range(len(train))), ("recording", [one.run for one in train])):
            hidden = np.equal.outer(np.array(groups), np.array(groups))
            left_out = np.where(hidden, np.inf, apart).min(axis=1)
            shares[name].append(float(np.mean(score > np.quantile(left_out, 0.8))))
    assert np.mean(shares["clip"]) > 0.33
    assert np.mean(shares["recording"]) < 0.3
    assert np.mean(shares["clip"]) > np.mean(shares["recording"]) + 0.1


# --- folders ---------------------------------------------------------------------------------------------------------


def leave_orphan(folder: Path, name: str) -> None:
    """Leave what a killed process has half written: a temporary folder that nobody holds."""
    orphan = folder / f"{_mine()}0000-{name}.part"
    orphan.mkdir()
    (orphan / LOCK).touch()
    (orphan / name).write_bytes(b"{")


@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted_run_is_completed(tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Profile(("SynValve", "SynFan"), 1, train_source=10, train_target=2, test=3)
    monkeypatch.setitem(PROFILES, "small", small)
    root = tmp_path / "set"
    written = itertools.count(1)

    def stop_after_10() -> None:
        if next(written) == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(root, "small", seed=0, workers=workers, on_clip=stop_after_10)
    done = {path: path.stat().st_mtime_ns for path in root.rglob("*.wav")}
    assert len(done) >= 10
    assert workers > 1 or len(done) < clip_count("small")
    leave_orphan(root / "SynValve" / "train", "half.wav")
    leave_orphan(root, MARKER)
    cut = min(done)
    cut.write_bytes(cut.read_bytes()[:1000])
    ticks: list[None] = []
    synthesize(root, "small", seed=0, on_clip=lambda: ticks.append(None))
    assert contents(root) == contents(synthesize(tmp_path / "uninterrupted", "small", seed=0))
    assert len(ticks) == clip_count("small")
    assert all(path.stat().st_mtime_ns == time for path, time in done.items() if path != cut)


def test_folder_of_a_run_killed_at_its_first_write_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, "small", Profile(("SynFan",), 1, train_source=1, train_target=1, test=1))
    leave_orphan(tmp_path, MARKER)
    synthesize(tmp_path, "small")
    assert {path.name for path in tmp_path.iterdir()} == {"SynFan", MARKER}


def test_folder_of_someone_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(DataError, match=r"not empty and holds no synthetic set \(found thesis.tex\).*Give a folder"):
        synthesize(tmp_path, "tiny")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(DataError, match="is a file"):
        synthesize(tmp_path / "thesis.tex", "tiny")


@pytest.mark.parametrize(("profile", "seed"), [("tiny", 1), ("demo", 0)])
def test_folder_of_another_set_is_refused(tiny: Path, profile: str, seed: int) -> None:
    assert clip_count("tiny") == 3 * (40 + 10 + 4 * 12)
    before = contents(tiny)
    with pytest.raises(DataError, match=r"holds another synthetic set.*Give another folder"):
        synthesize(tiny, profile, seed)
    assert contents(tiny) == before


def test_unknown_names_are_refused_with_the_closest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'tinny'.*Did you mean 'tiny'.*demo, full, tiny"):
        synthesize(tmp_path / "set", "tinny")
    assert not (tmp_path / "set").exists()
    with pytest.raises(DataError, match="Did you mean 'full'"):
        clip_count("ful")
    with pytest.raises(DataError, match="Did you mean 'SynFan'"):
        synthesize_clip("tiny", 0, "Fan", "train", "source", "normal", 0)
    with pytest.raises(DataError, match="Did you mean 'anomaly'"):
        synthesize_clip("tiny", 0, "SynFan", "test", "source", "anomalous", 0)


def test_import_is_cheap(imported_by) -> None:
    assert not imported_by("import asdcore.data.synth") & {"scipy", "torch", "polars", "pydantic"}


# --- physics ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "value"), [*itertools.product(["outer", "inner", "ball"], ["1", "3", "6"])])
def test_bearing_fault_has_its_line_in_the_envelope_spectrum(fault: str, value: str) -> None:
    machine = SynBearing(seed=0)
    rate = machine.setting(value)
    # 9 balls, d/D = 0.28, no contact angle: BPFO, BPFI and BSF in multiples of the shaft rate
    line = rate * {"outer": 3.24, "inner": 5.76, "ball": 1.6457}[fault]

    def prominence(severity: float) -> float:
        seconds = 6
        sound = machine.sound(generator("x"), value, seconds * SAMPLE_RATE, machine.severity(fault, severity))
        spectrum = np.fft.fft(sound)
        frequency = np.fft.fftfreq(len(sound), 1 / SAMPLE_RATE)
        band = (frequency > 0.7 * machine.housing_hz) & (frequency < 1.3 * machine.housing_hz)
        envelope = np.abs(np.fft.fft(np.abs(np.fft.ifft(spectrum * band)) ** 2))[: 400 * seconds]
        hz = np.arange(len(envelope)) / seconds
        near = np.abs(hz / line - 1) < 0.015
        around = (np.abs(hz / line - 1) < 0.2) & ~near
        return float(envelope[near].max() / np.median(envelope[around]))

    assert prominence(1.0) > 10
    assert prominence(0.0) < 6


@given(balls=st.integers(5, 25), ratio=st.floats(0.05, 0.5))
def test_bearing_orders_keep_the_kinematic_identities(balls: int, ratio: float) -> None:
    orders = BearingOrders(balls, ratio)
    assert orders.outer + orders.inner == pytest.approx(balls)
    assert orders.cage * balls == pytest.approx(orders.outer)
    # pure rolling on the outer race: the ball's surface runs as fast as the race passes under the cage
    assert orders.ball * ratio == pytest.approx(orders.cage * (1 + ratio))


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("domain", DOMAINS)
def test_far_is_quieter_and_later_than_near(machine: str, domain: str) -> None:
    place = acoustics.room(0, machine, domain, TINY.noise.drr_db)
    near, far = place.machine_paths
    arrival_near, arrival_far = np.argmax(np.abs(near)), np.argmax(np.abs(far))
    assert arrival_near == round(0.3 / 343 * SAMPLE_RATE)
    assert 1.6 / 343 * SAMPLE_RATE - 1 <= arrival_far <= 2.4 / 343 * SAMPLE_RATE + 1
    direct = near[arrival_near] ** 2
    assert 10 * np.log10(direct / (np.sum(near**2) - direct)) == pytest.approx(12, abs=0.1)

    sound, _ = components(PROFILES["demo"], 0, Clip(machine, "test", domain, "normal", 0))
    assert -14 < decibels_of(sound[1]) - decibels_of(sound[0]) < -2


@pytest.mark.parametrize("machine", TINY.machines)
@pytest.mark.parametrize("domain", DOMAINS)
def test_signal_to_noise_ratio_is_the_one_specified(machine: str, domain: str) -> None:
    ratios, balance = [], []
    for index in range(24):
        sound, rest = components(TINY, 0, Clip(machine, "train", domain, "normal", index))
        ratios.append(decibels_of(sound[0]) - decibels_of(rest[0]))
        balance.append(decibels_of(rest[0]) - decibels_of(rest[1]))
    assert np.mean(ratios) == pytest.approx(-4.0 if domain == "source" else -6.0, abs=1.5)
    assert 0.4 < np.std(ratios) < 3
    assert np.abs(balance).max() < 0.5


def test_microphones_hear_the_same_noise() -> None:
    _, rest = components(TINY, 0, Clip("SynFan", "train", "source", "normal", 0))
    frames = np.lib.stride_tricks.sliding_window_view(rest, 512, axis=1)[:, ::128] * np.hanning(512)
    near, far = np.fft.rfft(frames)
    cross = np.abs(np.mean(near * far.conj(), axis=0)) ** 2
    coherence = cross / (np.mean(np.abs(near) ** 2, axis=0) * np.mean(np.abs(far) ** 2, axis=0))
    assert 0.75 < np.median(coherence[4:200]) < 0.995


def test_faults_keep_their_level() -> None:
    def loudness(label: str, fault: str | None) -> float:
        chosen = [Clip("SynValve", "test", "source", label, index) for index in range(36)]
        return float(np.mean([decibels_of(components(TINY, 0, clip)[0][0]) for clip in chosen if clip.fault == fault]))

    normal = loudness("normal", None)
    assert loudness("anomaly", "leak") > normal + 1.5
    assert loudness("anomaly", "weak") < normal


@pytest.mark.parametrize(("machine", "fault"), [(name, fault) for name in MACHINES for fault in MACHINES[name].faults])
def test_every_fault_is_audible_and_grows_with_its_severity(machine: str, fault: str) -> None:
    instance = MACHINES[machine](seed=0)
    value = instance.values("source")[0]
    n_samples = 3 * SAMPLE_RATE
    normal, mild, severe = (
        instance.sound(generator("same"), value, n_samples, instance.severity(fault, degree)) for degree in (0, 0.3, 1)
    )
    level = np.std(normal)
    # a fault leaves every draw of the normal sound as it was: the difference is the fault alone
    assert 0.01 < np.std(mild - normal) / level < np.std(severe - normal) / level


def test_clips_do_not_clip() -> None:
    loudest = max(
        int(np.abs(synthesize_clip("tiny", 0, machine, "test", "target", "anomaly", index).astype(int)).max())
        for machine in TINY.machines
        for index in range(8)
    )
    assert 1000 < loudest < 32767


def test_nearest_neighbours_do_better_on_the_source_domain(tiny: Path) -> None:
    def area(normal: np.ndarray, anomalous: np.ndarray) -> float:
        return float(np.mean(anomalous[:, None] > normal))

    found: dict[str, list[float]] = {"source": [], "target": []}
    for machine in TINY.machines:
        bank = np.stack([mel_means(near(path)) for path in sorted((tiny / machine / "train").glob("*.wav"))])
        score = {
            path.name: np.linalg.norm(bank - mel_means(near(path)), axis=1).min()
            for path in (tiny / machine / "test").glob("*.wav")
        }
        anomalous = np.array([one for name, one in score.items() if "anomaly" in name])
        for domain in DOMAINS:
            normal = np.array([one for name, one in score.items() if f"{domain}_test_normal" in name])
            found[domain].append(area(normal, anomalous))
    source, target = np.mean(found["source"]), np.mean(found["target"])
    assert 0.65 < source < 0.9
    assert 0.45 < target < source - 0.05


# --- the pieces ------------------------------------------------------------------------------------------------------


@given(st.integers(1, 30_000))
def test_fast_length_is_the_next_number_of_small_factors(n_samples: int) -> None:
    def smooth(number: int) -> bool:
        for factor in (2, 3, 5):
            while number % factor == 0:
                number //= factor
        return number == 1

    assert fast_length(n_samples) == next(number for number in itertools.count(n_samples) if smooth(number))


def test_noise_and_drift_have_unit_power_in_expectation() -> None:
    rng = generator("levels")
    for beta, centre, quality in ((0.0, 1000.0, 0.0), (1.0, 800.0, 1.2), (0.6, 3000.0, 2.5)):
        powers = [np.mean(noise(rng, 16_000, beta, centre, quality) ** 2) for _ in range(20)]
        assert np.mean(powers) == pytest.approx(1, abs=0.1)
        assert np.std(powers) > 0
    assert np.mean([np.mean(wander(rng, 300 * SAMPLE_RATE) ** 2) for _ in range(4)]) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_noise_falls_with_its_exponent(beta: float) -> None:
    power = np.abs(np.fft.rfft(noise(generator("slope", beta), 1 << 17, beta))) ** 2
    hz = np.fft.rfftfreq(1 << 17, 1 / SAMPLE_RATE)
    low, high = (power[(hz > centre * 0.9) & (hz < centre * 1.1)].mean() for centre in (100, 4000))
    assert np.log(low / high) / np.log(40) == pytest.approx(beta, abs=0.1)


def test_rings_follow_their_formula() -> None:
    time = np.arange(4000) / SAMPLE_RATE
    start, damping, omega = 100.25 / SAMPLE_RATE, 0.05, 2 * np.pi * 1200
    since = time - start
    decay = np.exp(-damping * omega * np.maximum(since, 0))
    wanted = 2 * decay * np.sin(omega * np.sqrt(1 - damping**2) * since) * (since >= 0)
    assert rings(np.array([100.25]), 2.0, 4000, 1200, damping) == pytest.approx(wanted, abs=1e-3)
    assert not rings(np.array([]), 1.0, 100, 1200, damping).any()


def test_harmonics_follow_their_formula() -> None:
    series = Harmonics(generator("series"), (1, 0.5, 0.25), jitter_db=0.0)
    phase = np.linspace(0, 50, 1000)
    gains = (1, 3, 1)
    wanted = sum(
        amplitude * gain * np.sin((k + 1) * phase + angle)
        for k, (amplitude, gain, angle) in enumerate(zip(series.amplitudes, gains, series.angles, strict=True))
    )
    assert series(generator("clip"), phase, gains) == pytest.approx(wanted, abs=1e-9)


@given(order=st.floats(0.2, 9), rate=st.floats(8, 40), seed=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_strikes_come_at_the_rate_of_their_order(order: float, rate: float, seed: int) -> None:
    phase = shaft_phase(generator(seed), rate, 4 * SAMPLE_RATE, drift=0.005)
    times = strikes(generator("strikes", seed), phase, order, slip=0.02)
    turns = (phase[-1] - phase[0]) / (2 * np.pi)
    assert len(times) == pytest.approx(turns * order, abs=2 + 0.02 * 4 * np.sqrt(turns * order))
    assert np.all(np.diff(times) > 0)
    assert times.min() >= 0
    assert times.max() < len(phase)
