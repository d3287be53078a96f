"""A `gpt` as a model of `transformers`: Qwen 3's layout, with equal logits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ragstone.errors import InvalidArgument
from ragstone.models.gpt import GPT, GPTConfig
from ragstone.models.language import LanguageModel
from ragstone.models.nn.transformer import EPSILON
from ragstone.models.tokenizers import END, Tokenizer

_PARTS = {
    "attention_norm": "input_layernorm",
    "feed_norm": "post_attention_layernorm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.output": "self_attn.o_proj",
    "attention.query_norm": "self_attn.q_norm",
    "attention.key_norm": "self_attn.k_norm",
    "feed.gate": "mlp.gate_proj",
    "feed.up": "mlp.up_proj",
    "feed.down": "mlp.down_proj",
}


def export(model: LanguageModel, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a model into `folder`, for `transformers` and whatever serves its models.

    Raises
    ------
    InvalidArgument
        Its family, or its activation, has no counterpart there.
    """
    if not isinstance(model, GPT):
        raise InvalidArgument("model", model.config.family, "of the family gpt")
    if model.config.activation != "swiglu":
        expected = "swiglu: the layout of Qwen 3 has no other; train one with activation=swiglu"
        raise InvalidArgument("activation", model.config.activation, expected)
    tensors = {_name(name): values.contiguous() for name, values in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    _write(folder / "config.json", _config(model.config, tokenizer))
    tokenizer.save(folder)
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END,
            "model_max_length": model.config.context,
            "clean_up_tokenization_spaces": False,
        },
    )


def _config(config: GPTConfig, tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "intermediate_size": config.feed_width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.heads,
        "head_dim": config.width // config.heads,
        "hidden_act": "silu",
        "max_position_embeddings": config.context,
        "rms_norm_eps": EPSILON,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rotary_base},
        "tie_word_embeddings": True,
        "attention_bias": False,
        "eos_token_id": tokenizer.end,
        "bos_token_id": tokenizer.end,
        "dtype": str(torch.float32).removeprefix("torch."),
    }


def _name(own: str) -> str:
    """Return what `transformers` calls a tensor."""
    if own == "embedding.weight":
        return "model.embed_tokens.weight"
    if own == "norm.weight":
        return "model.norm.weight"
    _, layer, rest = own.split(".", 2)
    part, _, last = rest.rpartition(".")
    return f"model.layers.{layer}.{_PARTS[part]}.{last}"


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
