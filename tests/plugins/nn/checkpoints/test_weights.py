"""Checkpoints are read without running anything, and loaded whole or not at all."""

from __future__ import annotations

import argparse
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from asdcore import DataError
from asdcore_plugins.nn.checkpoints.weights import (
    Placeholder,
    contents,
    depth,
    entry,
    fit,
    read,
    shape,
    translated,
    weights,
)

WEIGHT = torch.arange(6.0).reshape(2, 3)


class Bomb:
    """Pickles as a call of a function that leaves a trace on disk."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def save(request, tmp_path):
    """Save as torch does today, and as it did before 1.6."""

    def write(content, name="checkpoint.pt"):
        torch.save(content, tmp_path / name, _use_new_zipfile_serialization=request.param)
        return tmp_path / name

    return write


# Reading.


def test_tensors_and_plain_values_come_back(save):
    found = read(save({"model": {"a": WEIGHT}, "cfg": {"layers": 3, "names": ["x"], "rate": 0.5, "on": None}}))
    assert torch.equal(found["model"]["a"], WEIGHT)
    assert found["cfg"] == {"layers": 3, "names": ["x"], "rate": 0.5, "on": None}


def test_what_training_scripts_leave_beside_the_weights_is_a_placeholder(save):
    args = argparse.Namespace(lr=0.1, sizes=[1, 2], inner=argparse.Namespace(deep=True))
    found = read(save({"model": {"a": WEIGHT}, "args": args, "best": np.float64(0.5)}))
    assert torch.equal(found["model"]["a"], WEIGHT)
    assert type(found["args"]) is type(found["best"]) is Placeholder
    assert not vars(found["args"])


def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(save, tmp_path):
    path = save({"model": {"a": WEIGHT}, "extra": Bomb(tmp_path / "trace")})
    with pytest.raises(DataError, match=r"checkpoint\.pt is refused: reading it would call posix\.mkdir"):
        read(path)
    assert not (tmp_path / "trace").exists()


def test_a_function_other_than_a_tensors_own_is_refused(save):
    with pytest.raises(DataError, match=r"would call .*getattr"):
        read(save({"a": WEIGHT, "b": getattr}))


def test_placeholders_do_not_stay_allowed(save):
    read(save({"args": argparse.Namespace(lr=0.1)}))
    with pytest.raises(pickle.UnpicklingError, match=r"argparse\.Namespace"):
        torch.load(save({"args": argparse.Namespace(lr=0.1)}), weights_only=True)


def test_safetensors_are_known_by_content_and_found_in_a_folder(tmp_path):
    save_file({"a": WEIGHT}, tmp_path / "model.safetensors")
    (tmp_path / "weights.bin").write_bytes((tmp_path / "model.safetensors").read_bytes())
    for path in (tmp_path / "model.safetensors", tmp_path / "weights.bin", tmp_path, str(tmp_path)):
        assert torch.equal(read(path)["a"], WEIGHT)


@pytest.mark.parametrize("kept", [10, 0.3, 0.6, 0.95])
def test_a_file_cut_short_is_refused(save, kept):
    path = save({"model": {"a": torch.arange(1000.0)}})
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if kept > 1 else int(kept * len(whole))])
    with pytest.raises(DataError, match=r"checkpoint\.pt is (cut short or damaged|refused)"):
        read(path)


SAVED = {"a": torch.arange(64.0), "b": torch.full((64,), 7.0), "c": torch.arange(8)}


@pytest.fixture
def repacked(tmp_path):
    """A function that writes a torch archive with the record of one storage changed (None: left out)."""

    def write(change, compression=zipfile.ZIP_STORED, record="data/0"):
        torch.save(SAVED, tmp_path / "whole.pt")
        with zipfile.ZipFile(tmp_path / "whole.pt") as whole, zipfile.ZipFile(tmp_path / "changed.pt", "w") as changed:
            for name in whole.namelist():
                content = change(whole.read(name)) if name.endswith(record) else whole.read(name)
                if content is not None:
                    changed.writestr(name, content, compression)
        return tmp_path / "changed.pt"

    return write


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_repacked_archive_is_read_right_or_refused(repacked, compression):
    path = repacked(lambda content: content, compression)
    if compression == zipfile.ZIP_LZMA:  # torch itself cannot unpack it
        with pytest.raises(DataError, match="is cut short or damaged"):
            read(path)
    else:
        found = read(path)
        assert all(torch.equal(found[name], SAVED[name]) for name in SAVED)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content[:100], "record whole/data/0 holds 100 bytes, 256 are needed"),
        (lambda _: b"", "record whole/data/0 holds 0 bytes, 256 are needed"),
        (lambda content: content + b"more", "record whole/data/0 holds 260 bytes, 256 are needed"),
        (lambda _: None, "record whole/data/0 is not there"),
    ],
    ids=["short", "empty", "long", "gone"],
)
def test_a_record_of_another_size_is_refused_and_no_neighbour_read_for_it(repacked, change, said, compression):
    with pytest.raises(DataError, match=rf"changed\.pt is cut short or damaged \({said}\)"):
        read(repacked(change, compression))


@pytest.mark.parametrize("checksums", [True, False])
def test_a_flipped_bit_is_refused_where_the_archive_has_checksums(tmp_path, checksums):
    torch.serialization.set_crc32_options(checksums)
    try:
        torch.save(SAVED, tmp_path / "a.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read(tmp_path / "a.pt")["a"], SAVED["a"])
    content = bytearray((tmp_path / "a.pt").read_bytes())
    content[content.find(SAVED["a"].numpy().tobytes()) + 5] ^= 64
    (tmp_path / "a.pt").write_bytes(content)
    if checksums:
        with pytest.raises(DataError, match=r"a\.pt is cut short or damaged \(Bad CRC-32"):
            read(tmp_path / "a.pt")


def test_two_records_of_one_name_are_refused(repacked):
    path = repacked(lambda content: content)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("whole/data/0", bytes(256))
    with pytest.raises(DataError, match="two of its records have the same name"):
        read(path)


def test_tensors_of_every_type_and_those_that_share_a_storage_are_read(tmp_path):
    types = (torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.uint8, torch.int64, torch.bool)
    state = {str(one): torch.arange(6).to(one) for one in types}
    whole = torch.arange(12.0).reshape(3, 4)
    state |= {"row": whole[1], "transposed": whole.T, "none": torch.empty(0), "complex": torch.ones(3) * 1j}
    state |= {"parameter": nn.Parameter(torch.arange(3.0)), "fp8": torch.ones(5).to(torch.float8_e4m3fn)}
    torch.save(state, tmp_path / "a.pt")
    found = read(tmp_path / "a.pt")
    assert all(torch.equal(found[name].float(), value.float()) for name, value in state.items() if name != "complex")
    assert torch.equal(found["complex"], state["complex"])


def test_safetensors_whose_header_does_not_fit_its_bytes_are_refused(tmp_path):
    save_file({"a": WEIGHT, "b": WEIGHT + 1}, tmp_path / "a.safetensors")
    whole = (tmp_path / "a.safetensors").read_bytes()
    for old, new in ((b"[0,24]", b"[0,20]"), (b"[24,48]", b"[20,44]"), (b"[2,3]", b"[2,4]"), (b"[24,48]", b"[0,24] ")):
        assert old in whole
        (tmp_path / "a.safetensors").write_bytes(whole.replace(old, new, 1))
        with pytest.raises(DataError, match="is cut short or damaged"):
            read(tmp_path / "a.safetensors")


@pytest.mark.parametrize("kept", [4, 9, 40, -3])
def test_safetensors_cut_short_are_refused(tmp_path, kept):
    save_file({"a": WEIGHT}, tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:kept])
    with pytest.raises(DataError, match=r"a\.safetensors is cut short or damaged .* download it again"):
        read(tmp_path / "a.safetensors")


@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", pickle.dumps({"a": 1}, protocol=4)])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "page.pt").write_bytes(content)
    with pytest.raises(
        DataError, match=r"page\.pt is not a checkpoint: neither safetensors nor a file that torch\.save"
    ):
        read(tmp_path / "page.pt")


def test_a_missing_file_says_where_checkpoints_come_from(tmp_path):
    with pytest.raises(DataError, match=r"no checkpoint .*gone\.pt.* 'asdcore registry fetch'"):
        read(tmp_path / "gone.pt")
    with pytest.raises(DataError, match=r"no checkpoint .*model\.safetensors"):
        read(tmp_path)


# Fitting.


def module():
    with torch.device("meta"):
        return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


STATE = {
    "0.weight": WEIGHT,
    "0.bias": torch.zeros(2),
    "1.weight": torch.ones(2),
    "1.bias": torch.zeros(2),
    "1.running_mean": torch.zeros(2),
    "1.running_var": torch.ones(2),
    "1.num_batches_tracked": torch.tensor(7),
}


def test_a_module_gets_the_values_of_the_file_as_float32_of_its_own():
    state = {name: value.half() if value.is_floating_point() else value for name, value in STATE.items()}
    model = module()
    fit(model, state, where="a.pt")
    assert model[0].weight.dtype == torch.float32
    assert model[1].num_batches_tracked == 7
    assert torch.equal(model[0].weight, WEIGHT)
    exact = module()
    fit(exact, STATE, where="a.pt")
    assert exact[0].weight.data_ptr() != WEIGHT.data_ptr()


def test_everything_that_does_not_fit_is_listed_in_the_words_of_the_file():
    state = {f"net.{name}": value for name, value in STATE.items()}
    del state["net.0.bias"], state["net.1.running_var"]
    state |= {"net.0.weight": torch.zeros(3, 2), "net.1.bias": {"a": 1}, "net.2.weight": WEIGHT, "head.weight": WEIGHT}
    with pytest.raises(DataError) as refused:
        fit(module(), state, where="a.pt", names=[("^", "net.")], ignore=["head."])
    assert str(refused.value).splitlines() == [
        "a.pt does not fit:",
        "  missing (2): net.0.bias, net.1.running_var",
        "  unexpected (1): net.2.weight",
        "  misshapen (2): net.0.weight is (3, 2), not (2, 3), net.1.bias is (), not (2,)",
        "Give the checkpoint, and the parameters, of one and the same model.",
    ]


def test_nothing_of_a_checkpoint_that_does_not_fit_is_loaded():
    model = module()
    with pytest.raises(DataError, match=r"missing \(1\): 1\.bias"):
        fit(model, {name: value for name, value in STATE.items() if name != "1.bias"}, where="a.pt")
    assert all(tensor.is_meta for tensor in model.state_dict().values())


def test_names_are_translated_rule_by_rule():
    rules = [(r"^blocks\.", "encoder.layers."), (r"\.norm(\d)\.", r".ln\1.")]
    assert translated("blocks.3.norm1.weight", rules) == "encoder.layers.3.ln1.weight"
    assert translated("norm.weight", rules) == "norm.weight"


# Finding out what is in a file.


def test_sizes_are_read_from_shapes():
    state = {"a.0.w": WEIGHT, "a.1.w": WEIGHT, "a.12.w": WEIGHT, "b.7.w": WEIGHT, "aa.9.w": WEIGHT}
    assert depth(state, "a.") == 3
    assert depth(state, "c.") == 0
    assert shape(state, "a.0.w", 2, where="a.pt") == (2, 3)


@pytest.mark.parametrize("state", [{"b": WEIGHT}, [WEIGHT], WEIGHT, {}])
def test_a_tensor_that_is_not_there_is_named(state):
    with pytest.raises(DataError, match=r"a\.pt has no tensor 'w'; it holds "):
        shape(state, "w", 2, where="a.pt")


def test_a_tensor_with_other_axes_is_named():
    with pytest.raises(DataError, match=r"a\.pt: w has the shape \(2, 3\), where 4 axes are needed"):
        shape({"w": WEIGHT}, "w", 4, where="a.pt")


def test_an_entry_is_a_dictionary():
    assert entry({"model": {"a": 1}}, "model", where="a.pt") == {"a": 1}
    for content in ({"cfg": 1}, {"model": WEIGHT}, WEIGHT):
        with pytest.raises(DataError, match=r"a\.pt holds no dictionary 'model'; it holds "):
            entry(content, "model", where="a.pt")


def test_weights_lie_under_model_or_bare():
    assert weights({"model": {"a": 1}, "epoch": 3}) == {"a": 1}
    assert weights({"a": 1}) == {"a": 1}
    assert weights([1]) == [1]


def test_contents_are_told_in_a_few_words():
    assert contents({"a": 1, "b": 2}) == "'a', 'b'"
    assert contents({str(i): i for i in range(20)}).endswith("'7' and 12 more")
    assert contents({}) == "nothing"
    assert contents([1]) == "a list"
