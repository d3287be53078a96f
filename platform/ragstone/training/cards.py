"""The card of a model: what it is, what it learnt from, how well, and what it is not for."""

from __future__ import annotations

from ragstone.schemas.models import ModelInfo

_WATTS = 65.0  # of a desktop processor at work: the estimate of what training took

_NO_SETTINGS = ("family", "schema")

_CARD = """# {name}, number {number}

A model of the family `{family}` with {parameters:,} parameters, trained by Ragstone
{ragstone} on {created}.

## What it learnt from

`{dataset}@{version}` (digest `{data_digest}`): {items:,} items, {tokens:,} tokens. Held out:
{held_out}, {validation_tokens:,} tokens. Licences of the data: {licences}.{left_out}

## How well

| measure | value |
| --- | --- |
| loss on all that is held out | {loss:.4f} nats per token |
{bits_per_byte}| best after | {best_step:,} of {steps:,} steps |
{measures}
## How it was trained

In {minutes:.1f} minutes, about {watt_hours:.1f} Wh at {watts:.0f} W. Tokenizer: {tokenizer}.

{settings}

## Use and limits

It makes things like those that it learnt from, and may repeat them as they are. It knows nothing
else, and nothing that it makes is checked; answers of Ragstone are, by their quotes.
Weights: `{digest}`.
"""


def card(info: ModelInfo) -> str:
    """Return the card, Markdown."""
    data = info.data
    settings = {**info.config, **info.material, **info.training}
    settings = {name: value for name, value in settings.items() if name not in _NO_SETTINGS}
    rows = "\n".join(f"| `{name}` | {value} |" for name, value in settings.items())
    return _CARD.format(
        name=info.name,
        number=info.number,
        family=info.family,
        parameters=info.parameters,
        ragstone=info.ragstone,
        created=info.created[:10],
        dataset=data.dataset,
        version=data.version,
        data_digest=data.digest[:16],
        items=data.items,
        tokens=data.tokens,
        held_out=data.held_out,
        validation_tokens=data.validation_tokens,
        licences=", ".join(data.licences) or "not stated",
        loss=info.loss,
        bits_per_byte=""
        if info.bits_per_byte is None
        else f"| the same | {info.bits_per_byte:.4f} bits per byte |\n",
        left_out=_left_out(info),
        measures="".join(f"| {name} | {value:.4g} |\n" for name, value in info.measures.items()),
        best_step=info.best_step,
        steps=info.steps,
        minutes=info.seconds / 60,
        watt_hours=info.seconds / 3600 * _WATTS,
        watts=_WATTS,
        tokenizer=info.tokenizer,
        settings=f"| setting | value |\n| --- | --- |\n{rows}",
        digest=info.digest[:16],
    )


def _left_out(info: ModelInfo) -> str:
    reasons = ", ".join(f"{number:,} ({why})" for why, number in info.data.left_out.items())
    return f" Left out: {reasons}." if reasons else ""
