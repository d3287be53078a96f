"""Images, sounds and texts to one space, with small networks that the tests make and save."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from ragstone.config import EncoderSettings
from ragstone.encoders.dual import DualEncoder
from ragstone.encoders.families import FAMILIES
from ragstone.encoders.loaded_dual import resampled
from ragstone.encoders.media import open_media_encoder
from ragstone.encoders.weights import find_network
from ragstone.errors import EncoderUnavailable, InvalidArgument
from ragstone.schemas.records import Modality, Payload

pytestmark = pytest.mark.usefixtures("one_thread")

TEXTS = ["a red square", "a blue circle on the stone", "", "stone " * 60]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
WORDS = {
    **SIZES,
    "vocab_size": 200,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "max_position_embeddings": 16,
}
PATCHES = {**SIZES, "image_size": 32, "patch_size": 8}
HEARING = {
    "num_mel_bins": 16,
    "spec_size": 64,
    "window_size": 4,
    "patch_size": 4,
    "patch_stride": [4, 4],
    "patch_embeds_hidden_size": 16,
    "hidden_size": 32,
    "depths": [1, 1],
    "num_attention_heads": [2, 2],
    "num_hidden_layers": 2,
    "aff_block_r": 2,
}
LAYERS = {
    "image_size": 32,
    "width_coefficient": 0.1,
    "depth_coefficient": 0.1,
    "hidden_dim": 32,
    "in_channels": [32, 16],
    "out_channels": [16, 24],
    "kernel_sizes": [3, 3],
    "strides": [1, 2],
    "num_block_repeats": [1, 1],
    "expand_ratios": [1, 6],
    "depthwise_padding": [],
}
SQUARE = {"height": 32, "width": 32}


def tokenizer() -> transformers.PreTrainedTokenizerFast:
    words = [*SPECIAL, *sorted({word for text in TEXTS for word in text.split()})]
    vocabulary = {word: number for number, word in enumerate(words)}
    plain = Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL[1]))
    plain.normalizer = normalizers.BertNormalizer()
    plain.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    plain.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain,
        **dict(zip(("pad_token", "unk_token", "bos_token", "eos_token"), SPECIAL, strict=True)),
    )


def clip_like(name: str, processor: Any, text: dict[str, Any]) -> tuple[Any, Any]:
    config = getattr(transformers, f"{name}Config")(
        text_config={**WORDS, **text}, vision_config=PATCHES, projection_dim=24
    )
    return getattr(transformers, f"{name}Model")(config), processor(size=SQUARE, crop_size=SQUARE)


def siglip() -> tuple[Any, Any]:
    config = transformers.SiglipConfig(text_config=WORDS, vision_config=PATCHES)
    return transformers.SiglipModel(config), transformers.SiglipImageProcessorPil(size=SQUARE)


def siglip2() -> tuple[Any, Any]:
    vision = {**SIZES, "num_patches": 16, "patch_size": 8}
    config = transformers.Siglip2Config(text_config=WORDS, vision_config=vision)
    processor = transformers.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)
    return transformers.Siglip2Model(config), processor


def align() -> tuple[Any, Any]:
    text = {**WORDS, "max_position_embeddings": 80}
    config = transformers.AlignConfig(text_config=text, vision_config=LAYERS, projection_dim=8)
    processor = transformers.EfficientNetImageProcessorPil(size=SQUARE, crop_size=SQUARE)
    return transformers.AlignModel(config), processor


def clap(*, fusion: bool) -> tuple[Any, Any]:
    config = transformers.ClapConfig(
        text_config={**WORDS, "max_position_embeddings": 18},
        audio_config={**HEARING, "enable_fusion": fusion},
        projection_dim=24,
    )
    extractor = transformers.ClapFeatureExtractor(
        feature_size=16, max_length_s=1, truncation="fusion" if fusion else "rand_trunc"
    )
    return transformers.ClapModel(config), extractor


CLIP = transformers.CLIPImageProcessorPil
CHINESE = transformers.ChineseCLIPImageProcessorPil
RECIPES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "clip": lambda: clip_like("CLIP", CLIP, {}),
    "metaclip_2": lambda: clip_like("MetaClip2", CLIP, {}),
    "chinese_clip": lambda: clip_like("ChineseCLIP", CHINESE, {}),
    "altclip": lambda: clip_like(
        "AltCLIP", CLIP, {"max_position_embeddings": 18, "project_dim": 24}
    ),
    "align": align,
    "siglip": siglip,
    "siglip2": siglip2,
    "clap": lambda: clap(fusion=False),
    "clap-fused": lambda: clap(fusion=True),
}
SEEING = [name for name in RECIPES if not name.startswith("clap")]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that saves a network with random weights; the same seed gives the same ones."""

    def build(name: str, seed: int = 0) -> Path:
        folder = tmp_path_factory.mktemp("networks") / name
        torch.manual_seed(seed)
        model, processor = RECIPES[name]()
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        tokenizer().save_pretrained(folder)
        return folder

    return build


@pytest.fixture(scope="module")
def folders(make: Callable[..., Path]) -> dict[str, Path]:
    return {name: make(name) for name in RECIPES}


def opened(folder: Path, **options: Any) -> DualEncoder:
    return DualEncoder(find_network(str(folder)), device="cpu", **options)


def images() -> list[Payload]:
    random = np.random.default_rng(0)
    shapes = [(40, 60), (1, 50), (512, 300), (3, 3), (33, 32)]
    pixels = [random.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    return [Payload(Modality.IMAGE, data) for data in pixels]


def sounds() -> list[Payload]:
    """Noise at 16 kHz: a second, a quarter, ten milliseconds, and more than the network hears."""
    random = np.random.default_rng(0)
    lengths = [16_000, 4_000, 160, 40_000]
    noise = [(random.normal(size=n) * 3_000).astype(np.int16) for n in lengths]
    return [Payload(Modality.AUDIO, data, (0, len(data) // 16)) for data in noise]


def payloads(name: str) -> list[Payload]:
    return sounds() if name.startswith("clap") else images()


def changed(folder: Path, tmp_path: Path, file: str, **changes: Any) -> Path:
    """A copy of `folder` whose JSON `file` says `changes`."""
    other = tmp_path / folder.name
    shutil.copytree(folder, other)
    values = json.loads((other / file).read_text())
    (other / file).write_text(json.dumps(values | changes))
    return other


# ---------------------------------------------------------------- vectors


def test_every_family_is_tried_here() -> None:
    assert {name.split("-")[0] for name in RECIPES} == set(FAMILIES)


@pytest.mark.parametrize("name", RECIPES)
def test_media_and_texts_share_a_space_and_batches_change_nothing(
    folders: dict[str, Path], name: str
) -> None:
    encoder, given = opened(folders[name]), payloads(name)
    dimension = encoder.identity.dimension
    media, texts = encoder.encode_media(given), encoder.encode_queries(TEXTS)
    assert media.shape == (len(given), dimension)
    assert texts.shape == (len(TEXTS), dimension)
    for vectors in (media, texts):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    alone = opened(folders[name], batch=1)
    np.testing.assert_allclose(alone.encode_media(given), media, atol=2e-6)
    np.testing.assert_allclose(alone.encode_queries(TEXTS), texts, atol=2e-6)
    assert len(np.unique(media.round(5), axis=0)) == len(given)  # not all the same
    assert len(np.unique(texts.round(5), axis=0)) == len(TEXTS)


@pytest.mark.parametrize("name", ["clip", "siglip", "clap-fused"])
def test_the_same_files_give_the_same_vectors(folders: dict[str, Path], name: str) -> None:
    first, second = opened(folders[name]), opened(folders[name])
    assert first.identity == second.identity
    np.random.seed(1)  # the source that CLAP's extractor draws from
    one = first.encode_media(payloads(name))
    np.random.seed(2)
    np.testing.assert_array_equal(one, second.encode_media(payloads(name)))


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_the_vectors_are_those_of_the_bare_library(folders: dict[str, Path], name: str) -> None:
    model = transformers.AutoModel.from_pretrained(folders[name]).eval()
    image = transformers.AutoImageProcessor.from_pretrained(folders[name], backend="pil")
    given = images()[:1]
    with torch.inference_mode():
        pixels = image(images=Image.fromarray(given[0].data), return_tensors="pt")
        seen = model.get_image_features(**pixels).pooler_output[0].numpy()
        ids = tokenizer()(TEXTS[1], padding="max_length", max_length=16)["input_ids"]
        read = model.get_text_features(torch.tensor([ids])).pooler_output[0].numpy()
    encoder = opened(folders[name])
    cosine = encoder.encode_media(given)[0] @ (seen / np.linalg.norm(seen))
    assert cosine == pytest.approx(1, abs=1e-5)
    # SigLIP reads the padding; CLIP ends at the end token and does not care.
    cosine = encoder.encode_queries([TEXTS[1]])[0] @ (read / np.linalg.norm(read))
    assert cosine == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("after", [[], [Normalize()]], ids=["bare", "scaled"])
def test_a_sentence_transformers_folder_gives_what_that_library_gives(
    folders: dict[str, Path], tmp_path: Path, after: list[torch.nn.Module]
) -> None:
    model = SentenceTransformer(modules=[Transformer(str(folders["clip"])), *after], device="cpu")
    model.save(str(tmp_path / "pair"))
    given, encoder = images()[:3], opened(tmp_path / "pair")
    assert encoder.identity.dimension == 24
    seen = model.encode(
        [Image.fromarray(payload.data) for payload in given], normalize_embeddings=True
    )
    np.testing.assert_allclose(encoder.encode_media(given), seen, atol=1e-5)
    read = model.encode(TEXTS[:2], normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode_queries(TEXTS[:2]), read, atol=1e-5)


def test_the_older_layout_of_sentence_transformers_is_read_too(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders["clip"], tmp_path / "0_CLIPModel")
    kind = "sentence_transformers.models.CLIPModel"
    modules = [{"idx": 0, "name": "0", "path": "0_CLIPModel", "type": kind}]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    np.testing.assert_array_equal(
        opened(tmp_path).encode_media(images()), opened(folders["clip"]).encode_media(images())
    )


def test_siglip_reads_text_as_its_own_tokenizer_does(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    pieces = pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")
    other = shutil.copytree(
        folders["siglip"], tmp_path / "siglip", ignore=shutil.ignore_patterns("token*")
    )
    pieces.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 5),
        model_prefix=str(other / "spiece"),
        vocab_size=40,
        hard_vocab_limit=False,
        minloglevel=2,
        **{"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    )
    roles = {"pad_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>"}
    settings = {"tokenizer_class": "SiglipTokenizer", "do_lower_case": True, **roles}
    (other / "spiece.vocab").unlink()
    (other / "tokenizer_config.json").write_text(json.dumps(settings))
    plain, loud, blue = opened(other).encode_queries(["a red square", "A Red, Square!", TEXTS[1]])
    np.testing.assert_array_equal(plain, loud)  # it knows no case and no punctuation
    assert plain @ blue < 0.99
    vocabulary = other / "spiece.model"
    before = opened(other).identity.digest
    vocabulary.write_bytes(vocabulary.read_bytes() + b"\0")
    assert opened(other).identity.digest != before


def test_texts_are_read_up_to_the_limit(folders: dict[str, Path]) -> None:
    encoder = opened(folders["clip"])
    assert encoder.identity.max_tokens == 16
    first, second = encoder.encode_queries(["stone " * 14, "stone " * 14 + "a red square"])
    np.testing.assert_array_equal(first, second)


def test_a_long_sound_is_heard_to_the_longest_and_no_further(folders: dict[str, Path]) -> None:
    encoder, long = opened(folders["clap"]), sounds()[-1]
    heard = Payload(Modality.AUDIO, long.data[:16_800])  # the filter looks a little ahead
    whole, start = encoder.encode_media([long, heard])
    np.testing.assert_allclose(whole, start, atol=2e-6)


def test_resampling_keeps_a_tone_and_its_loudness() -> None:
    def tone(rate: int) -> np.ndarray[Any, Any]:
        return 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)

    found = resampled((tone(16_000) * 32_768).astype(np.int16), 16_000, 48_000)
    assert found.dtype == np.float32
    assert found.shape == (48_000,)
    np.testing.assert_allclose(found[500:-500], tone(48_000)[500:-500], atol=2e-3)


def test_progress_is_told_after_each_batch(folders: dict[str, Path]) -> None:
    told: list[int] = []
    opened(folders["clip"], batch=2).encode_media(images(), told.append)
    assert told == [2, 4, 5]


def test_threads_share_one_encoder(folders: dict[str, Path]) -> None:
    encoder, given = opened(folders["clip"]), images()
    expected = (
        opened(folders["clip"]).encode_media(given),
        opened(folders["clip"]).encode_queries(TEXTS),
    )
    with ThreadPoolExecutor(4) as pool:
        media = [pool.submit(encoder.encode_media, given) for _ in range(4)]
        texts = [pool.submit(encoder.encode_queries, TEXTS) for _ in range(4)]
        for future in media:
            np.testing.assert_allclose(future.result(), expected[0], atol=2e-6)
        for future in texts:
            np.testing.assert_allclose(future.result(), expected[1], atol=2e-6)


# ---------------------------------------------------------------- identity


def test_identity_needs_no_torch_and_no_transformers(folders: dict[str, Path]) -> None:
    code = f"""if True:
        import sys
        from ragstone.config import EncoderSettings
        from ragstone.encoders.media import open_media_encoder
        from ragstone.schemas.records import Modality
        encoder = open_media_encoder(Modality.IMAGE, {str(folders["clip"])!r}, EncoderSettings())
        print(encoder.identity.space)
        print(encoder.encode_media([]).shape, encoder.encode_queries([]).shape)
        print([m for m in ("torch", "transformers", "scipy", "PIL") if m in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    digest = find_network(str(folders["clip"])).digest[:8]
    assert done.stdout.splitlines() == [f"image.clip-{digest}", "(0, 24) (0, 24)", "[]"]


def test_other_weights_are_another_space(make: Callable[..., Path]) -> None:
    spaces = {opened(make("clip", seed)).identity.space for seed in (0, 0, 1)}
    assert len(spaces) == 2


def test_what_files_leave_out_is_the_librarys_default(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    bare = changed(folders["siglip"], tmp_path, "config.json", text_config={}, vision_config={})
    identity = opened(bare).identity
    assert (identity.dimension, identity.max_tokens) == (768, 64)  # of siglip-base


# ---------------------------------------------------------------- refused


def test_another_modality_is_refused(folders: dict[str, Path]) -> None:
    for name, given in (("clip", sounds()), ("clap", images())):
        with pytest.raises(InvalidArgument, match="expected of modality"):
            opened(folders[name]).encode_media(given)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("clip", np.zeros((4, 4), np.uint8)),
        ("clip", np.zeros((4, 4, 3), np.float32)),
        ("clip", np.zeros((0, 4, 3), np.uint8)),
        ("clap", np.zeros((2, 16_000), np.int16)),
        ("clap", np.zeros(16_000, np.float32)),
        ("clap", np.zeros(0, np.int16)),
    ],
)
def test_a_payload_of_another_shape_is_refused(
    folders: dict[str, Path], name: str, data: Any
) -> None:
    encoder = opened(folders[name])
    with pytest.raises(InvalidArgument, match="and not empty"):
        encoder.encode_media([Payload(Modality(encoder.identity.modality), data)])


def test_an_unknown_architecture_is_refused_with_the_known_ones(bare: Path) -> None:
    with pytest.raises(EncoderUnavailable, match=r"'bert'.* clip, .*siglip2, clap"):
        opened(bare)


def test_an_encoder_of_the_other_modality_is_refused(folders: dict[str, Path]) -> None:
    settings = EncoderSettings(device="cpu")
    with pytest.raises(EncoderUnavailable, match="embeds image, and audio is asked for"):
        open_media_encoder(Modality.AUDIO, str(folders["clip"]), settings)
    with pytest.raises(InvalidArgument, match="modality is 'text'"):
        open_media_encoder(Modality.TEXT, str(folders["clip"]), settings)


def test_an_encoder_is_opened_by_path_with_the_device_of_the_settings(
    folders: dict[str, Path],
) -> None:
    opened_here = open_media_encoder(
        Modality.AUDIO, str(folders["clap"]), EncoderSettings(device="cpu")
    )
    assert opened_here.reads_text
    assert opened_here.encode_media(sounds()[:1]).shape == (1, 24)
    nowhere = open_media_encoder(
        Modality.AUDIO, str(folders["clap"]), EncoderSettings(device="cuda:99")
    )
    with pytest.raises(InvalidArgument, match=r"encoder\.device"):
        nowhere.encode_media(sounds()[:1])


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_the_embedded_encoders_are_opened_by_their_names(modality: str) -> None:
    pytest.importorskip(f"ragstone.encoders.{modality}_descriptor")
    settings = EncoderSettings()
    encoder = open_media_encoder(Modality(modality), f"{modality}-descriptor", settings)
    assert encoder.identity.modality == modality
    other = Modality.AUDIO if modality == "image" else Modality.IMAGE
    with pytest.raises(EncoderUnavailable, match=f"embeds {modality}, and {other.value}"):
        open_media_encoder(other, f"{modality}-descriptor", settings)


@pytest.mark.parametrize(
    ("file", "reason"),
    [("preprocessor_config.json", "ImageProcessor: "), ("tokenizer.json", "Tokenizer: ")],
)
def test_a_missing_file_is_named(
    folders: dict[str, Path], tmp_path: Path, file: str, reason: str
) -> None:
    other = changed(folders["clip"], tmp_path, "config.json")
    (other / file).unlink()
    with pytest.raises(EncoderUnavailable, match=reason):
        opened(other).encode_media(images())


def test_damaged_weights_are_unavailable(folders: dict[str, Path], tmp_path: Path) -> None:
    other = changed(folders["clip"], tmp_path, "config.json")
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(EncoderUnavailable, match="cannot be used"):
        opened(other).encode_media(images())


def test_weights_of_one_tower_alone_are_not_filled_up_with_random_ones(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    other = changed(folders["clip"], tmp_path, "config.json")
    tensors = load_file(other / "model.safetensors")
    kept = {name: value for name, value in tensors.items() if not name.startswith("vision_model")}
    save_file(kept, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderUnavailable, match=r"its weights lack \d+ tensors.* vision_model"):
        opened(other).encode_queries(TEXTS)


def test_weights_of_another_size_are_unavailable(folders: dict[str, Path], tmp_path: Path) -> None:
    other = changed(folders["clip"], tmp_path, "config.json", projection_dim=32)
    with pytest.raises(EncoderUnavailable, match="cannot be used"):
        opened(other).encode_media(images())


def test_a_vector_without_a_direction_is_never_given(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    other = changed(folders["clip"], tmp_path, "config.json")
    tensors = load_file(other / "model.safetensors")
    tensors["visual_projection.weight"].fill_(float("nan"))
    tensors["text_projection.weight"].zero_()
    save_file(tensors, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderUnavailable, match="without a direction"):
        opened(other).encode_media(images())
    with pytest.raises(EncoderUnavailable, match="without a direction"):
        opened(other).encode_queries(TEXTS)
