"""An entry says where a resource comes from and how it is known; what says less, or something else, is refused."""

from __future__ import annotations

import pytest

from asdcore.errors import ResourceError
from asdcore.resources.entries import entry_text, load_entry

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HASHED = {"name": "a.pt", "sha256": "0" * 64, "evidence": "computed: here"}


def test_text_and_entry_are_the_same(entry, tmp_path):
    full = entry(
        id="full-0.1",
        allowed={"2026": "no"},
        allowed_because='the "rules", section 3\\4\nlast line',
        use={"model": "Cnn14", "layers": [1, 2], "scale": 0.5, "fast": True},
        folder=True,
        base_url="https://example.org/",
        notes="é",
        files=[{**HASHED, "size": 3, "md5": "0" * 32}, {"name": "b=c.json", "evidence": "unknown: not found"}],
    )
    path = tmp_path / "full-0.1.toml"
    path.write_text(entry_text(full))
    assert load_entry(path) == full
    assert entry_text(load_entry(path)) == path.read_text()


def test_a_file_is_at_its_own_address_or_below_that_of_the_entry(entry):
    files = [{**HASHED, "name": "a=1.pt"}, {**HASHED, "name": "b.pt", "url": "https://elsewhere.org/x"}]
    both = entry(base_url="https://example.org/v1/", files=files, folder=True)
    assert [both.url(file) for file in both.files] == ["https://example.org/v1/a%3D1.pt", "https://elsewhere.org/x"]
    assert entry().url(entry().files[0]) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"titel": "T"}, r"titel: no such key. Did you mean 'title'\?"),
        ({"licence": None}, "licence: this key is needed"),
        ({"kind": "model"}, "kind: .*'checkpoint' or 'dataset', got 'model'"),
        ({"id": "Bad Id"}, "id: .*got 'Bad Id'"),
        ({"files": []}, "files: "),
        ({"files": [{**HASHED, "sha": "x"}]}, r"files.0.sha: no such key. Did you mean 'sha256'\?"),
        ({"files": [{**HASHED, "sha256": "0" * 63}]}, r"files.0.sha256: .*got '0{63}'"),
        ({"files": [{**HASHED, "size": 0}]}, "files.0.size: .*greater than 0, got 0"),
        ({"files": [{**HASHED, "name": "../a.pt"}]}, r"files.0.name: a file name has no folder.*got '../a.pt'"),
        ({"files": [{**HASHED, "name": "a.pt.part"}]}, "does not end with '.part'"),
        ({"files": [HASHED, HASHED], "folder": True}, "two have the name 'a.pt'"),
        ({"files": [HASHED, {**HASHED, "name": "b"}]}, "a checkpoint of 2 files needs folder = true"),
        ({"source": "ftp://example.org"}, "source: an address must begin with https://"),
        ({"source": "https://me:secret@example.org"}, "hold no user name or password"),
        ({"source": "https://"}, "source: an address must begin with https://"),
        ({"revision": None}, "revision: it is empty; .* say in notes why"),
        ({"allowed": {"2026": "yes"}}, "allowed_because: 'allowed' says yes or no; say here how that is known"),
        ({"allowed": {"2026": "perhaps"}}, "allowed.2026: .*'yes', 'no' or 'unknown', got 'perhaps'"),
        ({"files": [{**HASHED, "evidence": ""}]}, "a.pt: it has a hash, so its evidence must begin with 'computed: '"),
        ({"files": [{**HASHED, "evidence": "unknown: x"}]}, "must begin with .*'reported: ', got 'unknown: x'"),
        (
            {"files": [{"name": "a.pt", "evidence": "computed: x"}]},
            "it has no hash, so its evidence must begin with 'un",
        ),
        ({"kind": "dataset", "files": [{**HASHED, "name": "a.zip"}]}, "a.zip: an archive of a dataset must name its m"),
        ({"kind": "dataset", "folder": True}, "only a checkpoint can be a folder"),
        (
            {"files": [{**HASHED, "url": "https://huggingface.co/a/b/resolve/main/a.pt"}]},
            "revision: a file of the Hub needs a commit of 40 hex digits, got 'v1'",
        ),
        (
            {"revision": COMMIT, "base_url": "https://huggingface.co/a/b/resolve/main/"},
            f"is not pinned, it must hold /resolve/{COMMIT}/",
        ),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(entry, changed, said):
    with pytest.raises(ResourceError, match=said):
        entry(**changed)


def test_a_file_of_the_hub_pinned_by_its_commit_is_an_entry(entry):
    base = f"https://huggingface.co/a/b/resolve/{COMMIT}/"
    assert entry(revision=COMMIT, base_url=base, files=[HASHED]).url(entry(files=[HASHED]).files[0]) == f"{base}a.pt"


def test_all_mistakes_are_said_at_once(entry):
    with pytest.raises(ResourceError, match=r"(?s)entry is not a valid registry entry:.*kind.*licence"):
        entry(kind="x", licence="")


@pytest.mark.parametrize(
    ("text", "said"),
    [("= 1", "is not TOML"), ('id = "other"', r"id: no such key. The id of an entry is the name of its file, 'tiny'")],
)
def test_a_file_that_is_no_entry_is_named(tmp_path, text, said):
    path = tmp_path / "tiny.toml"
    path.write_text(text)
    with pytest.raises(ResourceError, match=rf"tiny.toml.*{said}"):
        load_entry(path)


def test_an_entry_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(ResourceError, match="gone.toml cannot be read: No such file"):
        load_entry(tmp_path / "gone.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ResourceError, match="binary.toml is not TOML"):
        load_entry(tmp_path / "binary.toml")


def test_a_file_is_asked_for_by_name(entry):
    assert entry().file("tiny.pt").name == "tiny.pt"
    with pytest.raises(ResourceError, match=r"tiny has no file 'tiny.pth'. Did you mean 'tiny.pt'\?"):
        entry().file("tiny.pth")
