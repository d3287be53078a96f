"""A small Whisper network that is taught three words; tests save it and load it as any other.

The words are tones: a recording is a row of tones of a second and a half each, and the network,
which hears two seconds at a time, learns to write which tone it hears, and that another one began.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

RATE = 16_000
SECONDS = 1.5  # of one tone
WORDS = {"stone": 400, "house": 1_200, "water": 3_000}  # Hz
STEERING = (
    "<|endoftext|> <|startoftranscript|> <|en|> <|de|> <|translate|> <|transcribe|> "
    "<|startofprev|> <|nospeech|> <|notimestamps|>"
).split()
NUMBERS = {token: len(WORDS) + place for place, token in enumerate(STEERING)}
FIRST_TIME = len(WORDS) + len(STEERING)
STEPS = 100  # of 20 ms in a window of two seconds


def tones(*words: str) -> np.ndarray[Any, np.dtype[np.int16]]:
    time = np.arange(int(RATE * SECONDS)) / RATE
    parts = [np.sin(2 * np.pi * WORDS[word] * time) for word in words]
    return (np.concatenate(parts) * 8_000).astype(np.int16)


def tokenizer() -> PreTrainedTokenizerFast:
    words = {f"Ġ{word}": number for number, word in enumerate(WORDS)}  # as byte-level BPE writes it
    plain = Tokenizer(models.WordLevel(words | {STEERING[0]: len(WORDS)}, unk_token=STEERING[0]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel()
    plain.decoder = decoders.ByteLevel()
    found = PreTrainedTokenizerFast(
        tokenizer_object=plain,
        **{f"{role}_token": STEERING[0] for role in ("bos", "eos", "unk", "pad")},
        additional_special_tokens=STEERING[1:],
    )
    times = [AddedToken(f"<|{step * 0.02:.2f}|>", special=True) for step in range(STEPS + 1)]
    found.add_tokens(times)
    assert found.convert_tokens_to_ids("<|0.00|>") == FIRST_TIME
    return found


def network() -> WhisperForConditionalGeneration:
    ends = NUMBERS["<|endoftext|>"]
    roles = {"pad_token_id": ends, "bos_token_id": ends, "eos_token_id": ends}
    starts = {"decoder_start_token_id": NUMBERS["<|startoftranscript|>"]}
    config = WhisperConfig(
        vocab_size=FIRST_TIME + STEPS + 1,
        num_mel_bins=16,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_source_positions=STEPS,
        max_target_positions=24,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **roles,
        **starts,
    )
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        **roles,
        **starts,
        max_length=24,
        is_multilingual=True,
        no_timestamps_token_id=NUMBERS["<|notimestamps|>"],
        lang_to_id={token: NUMBERS[token] for token in ("<|en|>", "<|de|>")},
        task_to_id={task: NUMBERS[f"<|{task}|>"] for task in ("transcribe", "translate")},
        max_initial_timestamp_index=50,
    )
    return model


def extractor() -> WhisperFeatureExtractor:
    return WhisperFeatureExtractor(feature_size=16, chunk_length=2)


def teach(model: WhisperForConditionalGeneration) -> None:
    """Teach all pairs of a tone and what begins after it: another tone, or nothing."""
    steering = [NUMBERS[f"<|{token}|>"] for token in ("startoftranscript", "en", "transcribe")]
    end = FIRST_TIME + int(SECONDS * 50)
    sounds, rows = [], []
    for word, after in itertools.product(WORDS, [*WORDS, None]):
        sounds.append(tones(*[word] + ([after] if after else []))[: 2 * RATE] / np.float32(32_768))
        says = [FIRST_TIME, list(WORDS).index(word), end, *([end] if after else [])]
        rows.append([*steering, *says, *[NUMBERS["<|endoftext|>"]] * (5 - len(says))])
    features = extractor()(sounds, sampling_rate=RATE, return_tensors="pt").input_features
    tokens = torch.tensor(rows)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(120):
        logits = model(features, decoder_input_ids=tokens[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


def save(folder: Path) -> Path:
    """Make the network, teach it and save it in `folder`."""
    model = network()
    teach(model)
    model.save_pretrained(folder)
    extractor().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder
