"""Models of transformers as generators: streaming, seeds, templates, limits and refusals."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from ragstone.config import GenerationSettings
from ragstone.encoders.base import TextEncoder
from ragstone.errors import GeneratorUnavailable
from ragstone.generation.base import Passage, Prompt, Sampling
from ragstone.generation.generators import open_generator
from ragstone.generation.ground import ground
from ragstone.generation.huggingface import TransformersGenerator
from ragstone.generation.prompts import build_prompt, without_last
from ragstone.schemas.api import Hit

TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + TEMPLATE


@pytest.fixture
def prompt(passages: tuple[Passage, ...]) -> Prompt:
    return build_prompt(
        "Where is Normandy?", passages, budget=10_000, count_tokens=lambda prompt: len(prompt.text)
    )


@pytest.fixture(params=["llama", "t5"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def say(generator: TransformersGenerator, prompt: Prompt, **sampling: float) -> str:
    return "".join(generator.stream(prompt, Sampling(**sampling)))  # type: ignore[arg-type]


def test_the_stream_is_what_the_model_says(llama: Path, prompt: Prompt) -> None:
    generator = TransformersGenerator(str(llama))
    model = LlamaForCausalLM.from_pretrained(llama)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(llama)
    ids = tokenizer(prompt.text, return_tensors="pt")["input_ids"]
    out = model.generate(ids, max_new_tokens=20, do_sample=False)
    expected = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
    assert say(generator, prompt, max_new_tokens=20) == expected != ""


def test_text_comes_in_pieces(folder: Path, prompt: Prompt) -> None:
    generator = TransformersGenerator(str(folder))
    pieces = list(generator.stream(prompt, Sampling(60, temperature=1.5, seed=2)))
    assert len(pieces) > 1
    assert all(pieces)


def test_seeds_repeat_and_differ_and_temperature_0_ignores_them(
    folder: Path, prompt: Prompt
) -> None:
    generator = TransformersGenerator(str(folder))

    def drawn(seed: int, temperature: float) -> str:
        return say(generator, prompt, max_new_tokens=16, temperature=temperature, seed=seed)

    assert drawn(1, 1.0) == drawn(1, 1.0) != drawn(2, 1.0)
    assert drawn(1, 0.0) == drawn(2, 0.0)
    assert TransformersGenerator(str(folder)).id == generator.id == f"hf:{folder}"


def test_sampling_leaves_the_global_random_source_alone(llama: Path, prompt: Prompt) -> None:
    generator = TransformersGenerator(str(llama))
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    say(generator, prompt, max_new_tokens=8, temperature=1.0, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_answers_of_several_threads_do_not_mix(llama: Path, prompt: Prompt) -> None:
    generator = TransformersGenerator(str(llama))

    def drawn(seed: int) -> str:
        return say(generator, prompt, max_new_tokens=8, temperature=1.0, seed=seed)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(drawn, range(4)))
    assert together == [drawn(seed) for seed in range(4)]


def test_the_model_stops_at_its_end_token(llama: Path, tmp_path: Path, prompt: Prompt) -> None:
    model = LlamaForCausalLM.from_pretrained(llama)
    model.generation_config.eos_token_id = list(range(400))  # every token ends the answer
    model.save_pretrained(tmp_path)
    PreTrainedTokenizerFast.from_pretrained(llama).save_pretrained(tmp_path)
    short = say(TransformersGenerator(str(tmp_path)), prompt, max_new_tokens=50)
    assert len(short) < len(say(TransformersGenerator(str(llama)), prompt, max_new_tokens=50))


def test_sampling_wishes_in_the_models_files_are_overruled(
    llama: Path, tmp_path: Path, prompt: Prompt
) -> None:
    model = LlamaForCausalLM.from_pretrained(llama)
    model.generation_config.update(do_sample=True, temperature=1.9, top_p=0.9, top_k=50)
    model.save_pretrained(tmp_path)
    PreTrainedTokenizerFast.from_pretrained(llama).save_pretrained(tmp_path)
    wished = say(TransformersGenerator(str(tmp_path)), prompt, max_new_tokens=12)
    assert wished == say(TransformersGenerator(str(llama)), prompt, max_new_tokens=12)


def test_closing_the_stream_stops_the_model(llama: Path, prompt: Prompt) -> None:
    generator = TransformersGenerator(str(llama))
    stream = generator.stream(prompt, Sampling(900, temperature=1.0, seed=1))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name == "ragstone-generate"]
    assert say(generator, prompt, max_new_tokens=4)


def test_lengths_come_from_model_and_tokenizer(llama: Path, t5: Path, prompt: Prompt) -> None:
    assert TransformersGenerator(str(llama)).context_length == 2048
    assert TransformersGenerator(str(t5)).context_length == 1024
    generator = TransformersGenerator(str(llama))
    assert generator.count_tokens(prompt) > generator.count_tokens(without_last(prompt)) > 0


def test_stored_prompt_is_what_the_model_read(
    llama: Path,
    tmp_path: Path,
    prompt: Prompt,
) -> None:
    whole = with_template(llama, tmp_path, "{{ 'padding ' * 90 }}{{ messages[-1]['content'] }}")
    plain = TransformersGenerator(str(llama))
    assert whole.count_tokens(prompt) > plain.count_tokens(prompt)
    room = whole.count_tokens(prompt) - 1
    fitted = build_prompt(
        prompt.question, prompt.passages, budget=room, count_tokens=whole.count_tokens
    )
    assert len(fitted.passages) < len(prompt.passages)
    assert whole.count_tokens(fitted) <= room


def with_template(llama: Path, folder: Path, template: str) -> TransformersGenerator:
    shutil.copytree(llama, folder, dirs_exist_ok=True)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(llama)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return TransformersGenerator(str(folder))


@pytest.mark.parametrize("template", [TEMPLATE, NO_SYSTEM])
def test_a_chat_template_writes_the_prompt(
    llama: Path, tmp_path: Path, prompt: Prompt, template: str
) -> None:
    generator = with_template(llama, tmp_path, template)
    said = say(generator, prompt, max_new_tokens=12)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(llama)
    system = f"<|system|>{prompt.system}\n<|user|>{prompt.user}\n<|assistant|>"
    alone = f"<|user|>{prompt.text}\n<|assistant|>"
    ids = tokenizer(system if template == TEMPLATE else alone, return_tensors="pt")["input_ids"]
    out = LlamaForCausalLM.from_pretrained(llama).generate(ids, max_new_tokens=12, do_sample=False)
    assert said == tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)


def test_a_template_that_always_fails_is_unavailable(
    llama: Path, tmp_path: Path, prompt: Prompt
) -> None:
    generator = with_template(llama, tmp_path, "{{ raise_exception('never') }}")
    with pytest.raises(GeneratorUnavailable, match="chat template fails: never"):
        say(generator, prompt)


def test_a_long_prompt_loses_its_last_passages(
    make_tokenizer: Callable[..., PreTrainedTokenizerFast],
    llama: Path,
    tmp_path: Path,
    prompt: Prompt,
) -> None:
    whole = TransformersGenerator(str(llama))
    length = whole.count_tokens(prompt)
    shutil.copytree(llama, tmp_path, dirs_exist_ok=True)
    make_tokenizer(length).save_pretrained(tmp_path)
    short = TransformersGenerator(str(tmp_path))
    expected = say(whole, without_last(prompt), max_new_tokens=10)
    assert say(short, prompt, max_new_tokens=10) == expected


def test_a_question_without_room_is_unavailable(
    make_tokenizer: Callable[..., PreTrainedTokenizerFast],
    llama: Path,
    tmp_path: Path,
    prompt: Prompt,
) -> None:
    shutil.copytree(llama, tmp_path, dirs_exist_ok=True)
    make_tokenizer(64).save_pretrained(tmp_path)
    with pytest.raises(GeneratorUnavailable, match=r"there is room for 54 of 64"):
        say(TransformersGenerator(str(tmp_path)), prompt, max_new_tokens=10)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_missing_files_are_unavailable(
    llama: Path, tmp_path: Path, prompt: Prompt, name: str
) -> None:
    shutil.copytree(llama, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).unlink()
    with pytest.raises(GeneratorUnavailable, match="cannot be used"):
        say(TransformersGenerator(str(tmp_path)), prompt)


def test_pickled_weights_are_not_loaded(llama: Path, tmp_path: Path, prompt: Prompt) -> None:
    shutil.copytree(llama, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(GeneratorUnavailable, match="cannot be used"):
        say(TransformersGenerator(str(tmp_path)), prompt)


def test_a_model_with_code_of_its_own_is_not_run(
    llama: Path, tmp_path: Path, prompt: Prompt
) -> None:
    shutil.copytree(llama, tmp_path, dirs_exist_ok=True)
    config = (tmp_path / "config.json").read_text()
    changed = config.replace(
        '"model_type": "llama"',
        '"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}',
    )
    assert changed != config
    (tmp_path / "config.json").write_text(changed)
    (tmp_path / "own.py").write_text("raise SystemExit('ran')")
    with pytest.raises(GeneratorUnavailable, match="trust_remote_code"):
        say(TransformersGenerator(str(tmp_path)), prompt)


def test_a_language_model_is_grounded_like_any_other(
    folder: Path, hits: list[Hit], encoder: TextEncoder
) -> None:
    settings = GenerationSettings(min_evidence=0.3, max_new_tokens=30)
    generator = open_generator(f"hf:{folder}", encoder, settings)
    answer = ground("Where is Normandy?", hits, generator, encoder, settings)
    assert not answer.found  # random weights say nothing that a passage supports
    assert answer.raw or folder.name == "t5"
    assert answer.prompt.passages


def test_a_language_model_is_kept_between_questions(llama: Path, encoder: TextEncoder) -> None:
    settings = GenerationSettings()
    first = open_generator(f"hf:{llama}", encoder, settings)
    assert open_generator(f"hf:{llama}", encoder, settings) is first
