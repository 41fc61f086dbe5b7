"""export and detect: one file out, one line for each recording, and a clear exit code."""

from __future__ import annotations

import csv
import io
import json
import shutil

import numpy as np
import pytest
import soundfile

import asdcore
from asdcore.cli import main
from asdcore.errors import PluginError


@pytest.fixture(scope="module")
def root(tmp_path_factory, make_dataset):
    """A frozen run of two machines and its detector."""
    root = tmp_path_factory.mktemp("detector")
    make_dataset(root / "data", source=8, target=4, test=2)
    portfolio = asdcore.Portfolio(
        name="simple",
        branches={"near_knn": {"encoder": "logmel", "scorer": "knn"}},
        systems={"knn": {"weights": {"near_knn": 1.0}}},
    )
    asdcore.run(portfolio, root / "data", root / "run", task="dcase2026", store=root / "store")
    asdcore.freeze(root / "run", root / "frozen.json")
    asdcore.export(root / "frozen.json", root / "frozen.asd")
    return root


def asd(capsys, monkeypatch, *words):
    """Exit code, stdout and stderr of a command."""
    monkeypatch.setattr("sys.argv", ["asdcore", *map(str, words)])
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code or 0, *capsys.readouterr()


def fans(root):
    return sorted((root / "data" / "fan" / "test").iterdir())


def test_export_says_what_it_wrote_and_what_to_type_next(root, tmp_path, capsys, monkeypatch):
    code, out, _ = asd(capsys, monkeypatch, "export", root / "frozen.json", "--out", tmp_path / "new.asd")
    assert code == 0
    assert f"Next: asdcore detect {tmp_path / 'new.asd'} --machine 3DPrinter FILE.wav" in out
    assert (tmp_path / "new.asd").read_bytes() == (root / "frozen.asd").read_bytes()


def test_export_of_a_run_exits_with_2_and_names_freeze(root, tmp_path, capsys, monkeypatch):
    code, _, err = asd(capsys, monkeypatch, "export", root / "run", "--out", tmp_path / "new.asd")
    assert code == 2
    assert "is a run that is not frozen. 'asdcore freeze" in err


def test_each_recording_has_a_line_with_the_scores_of_the_run(root, capsys, monkeypatch):
    code, out, err = asd(capsys, monkeypatch, "detect", root / "frozen.asd", *fans(root), "--machine", "fan")
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    frozen = asdcore.load_run(root / "run").decisions.drop("system").rows()
    decisions = {clip.split("/")[-1]: row for clip, *row in frozen}
    assert len(rows) == len(fans(root))
    for path, row in zip(fans(root), rows, strict=True):
        score, threshold, decision = decisions[path.name]
        assert row["file"] == str(path)
        assert (float(row["score"]), float(row["threshold"]), int(row["decision"])) == (score, threshold, decision)
        assert 0 < float(row["p_value"]) <= 1
        assert row["nearest"].startswith("fan/train/")


def test_json_has_the_shares_of_branches_and_guards(root, capsys, monkeypatch):
    code, out, _ = asd(capsys, monkeypatch, "detect", root / "frozen.asd", fans(root)[0], "--machine", "fan", "--json")
    assert code == 0
    said = json.loads(out)
    (clip,) = said["clips"]
    assert said["detector"] == "simple"
    assert clip["branches"]["near_knn"].keys() == {"z", "share", "nearest"}
    assert clip["guards"] == {}


def explain(root, capsys, monkeypatch, *words):
    words = (fans(root)[0], "--machine", "fan", "--times", 3, "--bands", 2, *words)
    return asd(capsys, monkeypatch, "explain", root / "frozen.asd", *words)


def test_explain_prints_what_adds_up_to_the_score_and_which_parts_raise_it(root, tmp_path, capsys, monkeypatch):
    more = ("--data", root / "data", "--picture", tmp_path / "why.svg")
    code, out, err = explain(root, capsys, monkeypatch, *more)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    run = asdcore.load_run(root / "run")
    score = run.decisions.filter(clip=f"fan/test/{fans(root)[0].name}")["score"].item()
    assert f"score {score:.4f}" in lines[1]
    begin, end = (next(i for i, line in enumerate(lines) if line.startswith(word)) for word in ("What adds", "score "))
    assert sum(float(line.split()[-1]) for line in lines[begin + 1 : end]) == pytest.approx(score, abs=2e-4)
    assert lines[end].split() == ["score", f"{score:.4f}"]
    *_, head, high, low, every, picture = lines
    assert head.split() == ["Hz", "0", "s", "0.0833", "s", "0.167", "s", "whole"]
    assert (high.split()[0], low.split()[0], every.split()[0]) == ("894-8000", "0-894", "all")
    assert picture == f"Picture: {tmp_path / 'why.svg'}"


def test_explain_as_json_has_every_part(root, capsys, monkeypatch):
    code, out, _ = explain(root, capsys, monkeypatch, "--json")
    assert code == 0
    said = json.loads(out)
    assert said["sound"]["replaced_by"] == "own background"
    assert np.shape(said["sound"]["parts"]) == np.shape(said["sound"]["branches"]["near_knn"]["parts"]) == (2, 3)
    assert said["normals"]["one_in"] == pytest.approx(1 / said["p_value"])


def test_explain_of_what_is_none_exits_with_2(root, tmp_path, capsys, monkeypatch):
    code, out, err = asd(capsys, monkeypatch, "explain", root / "frozen.asd", tmp_path / "none.wav")
    assert (code, out) == (2, "")
    assert err == f"Error: There is no recording {tmp_path / 'none.wav'}. Name a file, such as clip.wav.\n"


def test_export_writes_an_onnx_file_of_a_detector_and_says_how_alike_they_are(root, tmp_path, capsys, monkeypatch):
    out, clips = tmp_path / "fan.onnx", root / "data" / "fan" / "test"
    words = ("--onnx", out, "--machine", "fan", "--parity", clips)
    code, said, err = asd(capsys, monkeypatch, "export", root / "frozen.asd", *words)
    assert (code, err) == (0, "")
    assert f"ONNX: {out}, " in said
    assert "Scores fan section 00 by system knn; takes 2 channels at 16000 Hz" in said
    assert f"Parity: on {len(fans(root))} recordings its scores differ from the detector's by at most " in said
    code, _, err = asd(capsys, monkeypatch, "export", root / "frozen.asd", "--onnx", out, "--machine", "fan")
    assert (code, err) == (2, f"Error: {out} exists and is not written over. Choose another name, or remove it.\n")


@pytest.mark.parametrize(
    ("source", "words", "message"),
    [
        ("frozen.json", [], "Nothing is asked for: --out NAME.asd writes a detector, --onnx NAME.onnx an ONNX file."),
        ("frozen.json", ["--out", "n.asd", "--machine", "fan"], "--machine goes with --onnx: a detector holds all"),
        ("frozen.asd", ["--out", "n.asd"], "frozen.asd is a detector already. --onnx NAME.onnx writes an ONNX file"),
        ("frozen.json", ["--out", "n.asd", "--onnx", "n.onyx"], "n.onyx does not end in .onnx"),
    ],
)
def test_export_says_which_options_fit_together(root, source, words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = asd(capsys, monkeypatch, "export", root / source, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_a_bad_recording_is_named_and_the_others_are_scored(root, tmp_path, capsys, monkeypatch):
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "folder").mkdir()
    soundfile.write(tmp_path / "silent.wav", np.zeros((4000, 2)), 16000)
    files = [tmp_path / name for name in ("none.wav", "text.wav", "folder", "silent.wav")] + [fans(root)[0]]
    code, out, err = asd(capsys, monkeypatch, "detect", root / "frozen.asd", *files, "--machine", "fan")
    assert code == 1
    assert len(list(csv.reader(io.StringIO(out)))) == 2
    lines = err.splitlines()
    assert len(lines) == 4
    for line, file in zip(lines, files, strict=False):
        assert line.startswith(f"Error: {file}: ")
    assert f"is a folder: name the files in it, such as {tmp_path / 'folder' / '*.wav'}" in lines[2]
    assert lines[3].endswith("every sample is 0: the recording is silent. Check the microphone and the file")


def test_a_file_may_have_any_name(root, tmp_path, capsys, monkeypatch):
    names = ["a,b.wav", 'a"b.wav', "a\nb.wav", "a\rb.wav", "ü Ω.wav"]
    files = [shutil.copy(fans(root)[0], tmp_path / name) for name in names]
    code, out, err = asd(capsys, monkeypatch, "detect", root / "frozen.asd", *files, "--machine", "fan")
    assert (code, err) == (0, "")
    assert [row["file"] for row in csv.DictReader(io.StringIO(out, newline=""))] == list(map(str, files))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--machine", "pump"], "pump is unknown: this detector knows 3DPrinter section 00, fan section 00"),
        ([], "No machine is named: this detector knows"),
        (["--machine", "fan", "--system", "none"], "There is no system 'none': this detector has knn"),
    ],
)
def test_wrong_use_exits_with_2_before_anything_is_scored(root, capsys, monkeypatch, words, message):
    code, out, err = asd(capsys, monkeypatch, "detect", root / "frozen.asd", *fans(root), *words)
    assert (code, out) == (2, "")
    assert message in err


def test_an_edited_detector_exits_with_1_and_no_detector_with_2(root, tmp_path, capsys, monkeypatch):
    content = bytearray((root / "frozen.asd").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "edited.asd").write_bytes(content)
    code, out, err = asd(capsys, monkeypatch, "detect", tmp_path / "edited.asd", fans(root)[0], "--machine", "fan")
    assert (code, out) == (1, "")
    assert "is not a detector, or was cut short or edited" in err
    code, _, err = asd(capsys, monkeypatch, "detect", tmp_path / "none.asd", fans(root)[0], "--machine", "fan")
    assert code == 2
    assert "There is no detector" in err


def test_a_plugin_that_fails_on_one_recording_does_not_lose_the_others(root, capsys, monkeypatch):
    first, second, *_ = fans(root)
    plain, seen = asdcore.Detector.score, []

    def score(self, *arguments, **named):
        seen.append(arguments)
        if len(seen) == 1:
            raise PluginError("scorer 'mine' failed")
        return plain(self, *arguments, **named)

    monkeypatch.setattr(asdcore.Detector, "score", score)
    code, out, err = asd(capsys, monkeypatch, "detect", root / "frozen.asd", first, second, "--machine", "fan")
    assert code == 1
    assert [row["file"] for row in csv.DictReader(io.StringIO(out))] == [str(second)]
    assert err == f"Error: {first}: scorer 'mine' failed\n"


def test_a_train_normal_is_named_in_whatever_file_it_comes_back(root, tmp_path, capsys, monkeypatch):
    train = min((root / "data" / "fan" / "train").iterdir())
    samples, rate = soundfile.read(train, dtype="int16")
    soundfile.write(tmp_path / "again.flac", samples, rate)
    asked = ("detect", root / "frozen.asd", "--machine", "fan", tmp_path / "again.flac", fans(root)[0])
    code, out, err = asd(capsys, monkeypatch, *asked, "--json")
    assert code == 0
    assert [clip["learnt"] for clip in json.loads(out)["clips"]] == [f"fan/train/{train.name}", None]
    assert (
        f"1 clip is a train normal of this detector, in the same file or another of the same sound: {tmp_path}" in err
    )
    assert "nothing of new sound" not in asd(capsys, monkeypatch, *asked[:-2], fans(root)[0])[2]
