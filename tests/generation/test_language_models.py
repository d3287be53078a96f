"""Models of transformers as generators: streaming, seeds, templates, limits and refusals."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from ragstone.config import GenerationSettings
from ragstone.encoders.base import TextEncoder
from ragstone.errors import GeneratorNonsense, GeneratorTimeout, GeneratorUnavailable
from ragstone.generation.base import Passage, Prompt, Sampling
from ragstone.generation.generators import open_generator
from ragstone.generation.ground import prepare, write
from ragstone.generation.huggingface import Loading, TransformersGenerator
from ragstone.generation.prompts import NOT_FOUND, build_prompt, without_last
from ragstone.schemas.api import Hit

NO_MODELS = Path("no-models")

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


def say(generator: TransformersGenerator, prompt: Prompt, **sampling: Any) -> str:
    """Return what a model of random weights says, which may be nothing that can be read."""
    pieces: list[str] = []
    with suppress(GeneratorNonsense):
        pieces.extend(generator.stream(prompt, Sampling(**sampling)))
    return "".join(pieces)


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
    pieces = [p for p in generator.stream(prompt, Sampling(60, temperature=1.5, seed=2)) if p]
    assert len(pieces) > 1


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


def test_thoughts_that_the_template_opens_are_thoughts(
    llama: Path, tmp_path: Path, prompt: Prompt
) -> None:
    opening = TEMPLATE.replace("<|assistant|>", "<|assistant|><think>\n")
    generator = with_template(llama, tmp_path, opening)
    stream = generator.stream(prompt, Sampling(12))
    assert next(stream) == "<think>"
    with pytest.raises(GeneratorNonsense, match="it ended in its thoughts"):
        list(stream)  # random weights do not close the tag


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
    generator = open_generator(f"hf:{folder}", encoder, settings, NO_MODELS)
    prepared = prepare("Where is Normandy?", hits, generator, encoder, settings)
    assert prepared.prompt.passages
    # Random weights say nothing that a passage supports, and some of them say nothing at all.
    with suppress(GeneratorNonsense):
        assert list(write(prepared, generator, settings)) == [NOT_FOUND]


def test_a_language_model_is_kept_between_questions(llama: Path, encoder: TextEncoder) -> None:
    settings = GenerationSettings()
    first = open_generator(f"hf:{llama}", encoder, settings, NO_MODELS)
    assert open_generator(f"hf:{llama}", encoder, settings, NO_MODELS) is first


def test_a_model_is_loaded_once_however_many_ask(llama: Path, encoder: TextEncoder) -> None:
    settings = GenerationSettings(dtype="float32")
    with ThreadPoolExecutor(8) as pool:
        asked = f"hf:{llama}", encoder, settings, NO_MODELS
        opened = [pool.submit(open_generator, *asked) for _ in range(8)]
    assert len({id(each.result()) for each in opened}) == 1


def test_stop_strings_end_the_answer(llama: Path, prompt: Prompt) -> None:
    generator = TransformersGenerator(str(llama))
    whole = say(generator, prompt, max_new_tokens=30)
    stop = whole[8:11]
    assert say(generator, prompt, max_new_tokens=30, stop=(stop,)) == whole[: whole.index(stop)]


def test_the_model_is_stopped_when_time_is_over(
    llama: Path, hits: list[Hit], encoder: TextEncoder
) -> None:
    settings = GenerationSettings(timeout_seconds=1e-6, min_evidence=0.0, max_new_tokens=900)
    generator = TransformersGenerator(str(llama))
    with pytest.raises(GeneratorTimeout):
        list(write(prepare("Where?", hits, generator, encoder, settings), generator, settings))
    assert not [t for t in threading.enumerate() if t.name == "ragstone-generate"]


def test_one_who_waits_for_the_model_hears_of_it(llama: Path, prompt: Prompt) -> None:
    generator = TransformersGenerator(str(llama))
    with generator._loaded()._turn:  # as another task that uses the model
        waiting = generator.stream(prompt, Sampling(20, temperature=1.0, seed=1))
        assert next(waiting) == ""  # so that the waiting one can be given up
    assert "".join(waiting)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_numbers_are_as_the_settings_say(llama: Path, prompt: Prompt, dtype: str) -> None:
    generator = TransformersGenerator(str(llama), Loading(dtype))
    assert say(generator, prompt, max_new_tokens=4) is not None
    assert str(generator._loaded()._model.dtype) == f"torch.{dtype}"


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU bitsandbytes does it")
def test_weights_can_be_held_in_8_bits(folder: Path, prompt: Prompt) -> None:
    generator = TransformersGenerator(str(folder), Loading(quantisation="int8"))
    model = generator._loaded()._model
    packed = [m for m in model.modules() if "quantized" in type(m).__module__]
    assert packed
    assert say(generator, prompt, max_new_tokens=8) == say(generator, prompt, max_new_tokens=8)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has them")
def test_4_bits_need_a_gpu(llama: Path, prompt: Prompt) -> None:
    generator = TransformersGenerator(str(llama), Loading(quantisation="int4"))
    with pytest.raises(GeneratorUnavailable, match="int4 needs a GPU; a CPU can have int8"):
        say(generator, prompt)
