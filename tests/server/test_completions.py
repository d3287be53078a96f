"""OpenAI's API for chats, asked by OpenAI's own client over a real server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from ragstone.client import Address, Client
from ragstone.schemas.answers import StoredAnswer
from ragstone.workspace import Workspace

QUESTION = "What is granite made of?"


@pytest.fixture(scope="module")
def chat(address: Address) -> Iterator[openai.OpenAI]:
    """OpenAI's client, as anybody would make it."""
    http = openai.DefaultHttpxClient(trust_env=False)
    base = f"{address.url}/v1"
    with openai.OpenAI(base_url=base, api_key=address.token, http_client=http) as made:
        yield made


def user(text: str) -> ChatCompletionMessageParam:
    return {"role": "user", "content": text}


def said(text: str) -> ChatCompletionMessageParam:
    return {"role": "assistant", "content": text}


def grounds(completion: Any) -> dict[str, Any]:
    """Return the extension field, which the client keeps beside OpenAI's own."""
    found: dict[str, Any] = completion.model_extra["ragstone"]
    return found


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


# ---------------------------------------------------------------- answers


def test_datasets_are_models(chat: openai.OpenAI) -> None:
    found = {model.id: model for model in chat.models.list()}
    assert "rocks" in found
    assert (found["rocks"].object, found["rocks"].owned_by) == ("model", "ragstone")
    assert found["rocks"].created > 1_700_000_000


@pytest.mark.parametrize("name", ["rocks", "rocks@1", "rocks@2/extractive"])
def test_one_model_under_any_name_it_is_asked_by(chat: openai.OpenAI, name: str) -> None:
    [listed] = [model for model in chat.models.list() if model.id == "rocks"]
    assert chat.models.retrieve(name) == listed.model_copy(update={"id": name})


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("stones", "unknown_dataset", "There is no dataset 'stones'"),
        ("rocks@9", "unknown_version", "9"),
        ("rocks/parrot", "unknown_id", "No generator that can be used here has the id 'parrot'"),
        ("rocks/openai:x@http://127.0.0.1:1/v1", "unknown_id", "x@http://127.0.0.1:1/v1"),
    ],
)
def test_a_model_that_there_is_not(chat: openai.OpenAI, name: str, code: str, message: str) -> None:
    with pytest.raises(openai.NotFoundError, match=message) as missing:
        chat.models.retrieve(name)
    assert (missing.value.code, missing.value.type) == (code, "invalid_request_error")


def test_an_answer_with_its_citations(
    chat: openai.OpenAI, client: Client, owned: Workspace
) -> None:
    completion = chat.chat.completions.create(model="rocks", messages=[user(QUESTION)])
    [choice] = completion.choices
    assert (choice.message.role, choice.finish_reason) == ("assistant", "stop")
    assert choice.message.content == client.ask(QUESTION, "rocks").answer
    answer = grounds(completion)["answer"]
    assert (answer["dataset"], answer["version"], answer["found"]) == ("rocks", 2, True)
    citation = answer["citations"][0]
    assert f"[{citation['number']}]" in choice.message.content
    item = client.show(citation["item_id"])
    assert hasattr(item, "text")
    assert item.text[citation["start"] : citation["end"]] == citation["quote"]
    assert isinstance(owned.show(answer["answer_id"]), StoredAnswer)


def test_tokens_are_counted(chat: openai.OpenAI, client: Client) -> None:
    usage = chat.chat.completions.create(model="rocks", messages=[user(QUESTION)]).usage
    assert usage is not None
    tokens = client.ask(QUESTION, "rocks").tokens
    assert (usage.prompt_tokens, usage.completion_tokens) == (tokens.prompt, tokens.answer)
    assert usage.total_tokens == tokens.prompt + tokens.answer
    assert usage.prompt_tokens > usage.completion_tokens > 0
    none = chat.chat.completions.create(model="rocks", messages=[user("Who won the cup?")])
    assert none.usage is not None
    assert none.usage.total_tokens == 0
    assert none.choices[0].message.content == "not found in this dataset"


def test_a_version_and_a_generator_are_part_of_the_name(chat: openai.OpenAI) -> None:
    for name, version in (("rocks@1", 1), ("rocks@2/extractive", 2), ("rocks/extractive", 2)):
        completion = chat.chat.completions.create(model=name, messages=[user(QUESTION)])
        answer = grounds(completion)["answer"]
        assert completion.model == name
        assert (answer["version"], answer["generator"]) == (version, "extractive")


def test_earlier_messages_are_the_conversation(chat: openai.OpenAI) -> None:
    messages = [user(QUESTION), said("Quartz, feldspar and mica. [1]"), user("Where does it form?")]
    completion = chat.chat.completions.create(model="rocks", messages=messages)
    answer = grounds(completion)["answer"]
    assert answer["question"] == "Where does it form?"
    assert answer["rewritten"] == "Where does granite form?"
    assert "magma" in answer["answer"]
    alone = chat.chat.completions.create(model="rocks", messages=messages[-1:])
    assert grounds(alone)["answer"]["rewritten"] == ""


def test_a_message_may_come_in_parts(chat: openai.OpenAI) -> None:
    parts: ChatCompletionMessageParam = {
        "role": "user",
        "content": [{"type": "text", "text": QUESTION}],
    }
    completion = chat.chat.completions.create(model="rocks", messages=[parts])
    assert "quartz" in (completion.choices[0].message.content or "")


def test_filters_come_in_the_extension(chat: openai.OpenAI) -> None:
    completion = chat.chat.completions.create(
        model="rocks",
        messages=[user(QUESTION)],
        extra_body={"ragstone": {"where": ["name=basalt.md"]}},
    )
    assert grounds(completion)["answer"]["found"] is False


def test_what_has_no_effect_is_named(chat: openai.OpenAI) -> None:
    completion = chat.chat.completions.create(
        model="rocks",
        messages=[{"role": "system", "content": "Speak like a pirate."}, user(QUESTION)],
        temperature=1.5,
        max_tokens=1,
        n=1,
        tools=[],
    )
    assert grounds(completion)["ignored"] == ["temperature", "max_tokens", "system messages"]
    assert "quartz, feldspar and mica" in (completion.choices[0].message.content or "")


# ---------------------------------------------------------------- streams


def test_a_stream_is_the_answer_in_chunks(chat: openai.OpenAI) -> None:
    with chat.chat.completions.create(
        model="rocks", messages=[user(QUESTION)], stream=True
    ) as stream:
        chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks[:-1])
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    answer = grounds(chunks[-1])["answer"]
    assert text_of(chunks) == answer["answer"]
    assert "quartz" in answer["citations"][0]["quote"]


def test_a_stream_tells_its_tokens_when_asked(chat: openai.OpenAI) -> None:
    with chat.chat.completions.create(
        model="rocks",
        messages=[user(QUESTION)],
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        *chunks, last = stream
    assert all(chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens > 0


def test_a_stream_ends_as_clients_expect(http: httpx.Client) -> None:
    body = {"model": "rocks", "messages": [user(QUESTION)], "stream": True}
    sent = http.post("/chat/completions", json=body)
    assert sent.headers["Content-Type"].startswith("text/event-stream")
    blocks = sent.text.split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""]
    for block in blocks[:-2]:
        assert json.loads(block.removeprefix("data: "))["object"] == "chat.completion.chunk"


def test_eight_streams_at_a_time_are_not_mixed(chat: openai.OpenAI) -> None:
    words = {
        "What is granite made of?": "quartz",
        "Where does granite form?": "magma",
        "What is basalt?": "volcanic",
        "Why are the crystals of basalt small?": "crystals",
    }

    def ask(question: str) -> tuple[str, list[ChatCompletionChunk]]:
        with chat.chat.completions.create(
            model="rocks", messages=[user(question)], stream=True
        ) as stream:
            return question, list(stream)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, [*words] * 4))
    assert len({chunks[0].id for _, chunks in answers}) == 16
    for question, chunks in answers:
        assert len({chunk.id for chunk in chunks}) == 1
        answer = grounds(chunks[-1])["answer"]
        assert answer["question"] == question
        assert words[question] in text_of(chunks)
        assert text_of(chunks) == answer["answer"]


def test_a_client_that_goes_away_stops_the_generator(
    chat: openai.OpenAI, endless: Callable[[str], Any]
) -> None:
    writer = endless("Granite is a hard stone made of quartz, feldspar and mica. [1] And ")
    with chat.chat.completions.create(
        model="rocks", messages=[user(QUESTION)], stream=True
    ) as stream:
        assert "quartz" in (next(stream).choices[0].delta.content or "")
        assert not writer.stopped.is_set()
    assert writer.stopped.wait(30)


def test_one_who_does_not_wait_for_a_whole_answer_stops_it_too(
    chat: openai.OpenAI, endless: Callable[[str], Any]
) -> None:
    writer = endless("It ")
    impatient = chat.with_options(timeout=0.5, max_retries=0)
    with pytest.raises(openai.APITimeoutError):
        impatient.chat.completions.create(model="rocks", messages=[user(QUESTION)])
    assert writer.started.wait(30)
    assert writer.stopped.wait(30)


def test_a_failure_in_the_middle_is_an_error_of_the_client(
    chat: openai.OpenAI,
    owned: Workspace,
    endless: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endless("Granite is a hard stone made of quartz, feldspar and mica. [1] And ")
    settings = owned.settings.generation.model_copy(update={"timeout_seconds": 0.3})
    monkeypatch.setattr(
        owned, "settings", owned.settings.model_copy(update={"generation": settings})
    )
    pieces = []
    with (
        pytest.raises(openai.APIError, match=r"was not ready within 0\.3 s") as caught,
        chat.chat.completions.create(
            model="rocks", messages=[user(QUESTION)], stream=True
        ) as stream,
    ):
        pieces.extend(stream)
    assert "quartz" in text_of(pieces)
    assert (caught.value.code, caught.value.type) == ("generator_timeout", "server_error")


# ---------------------------------------------------------------- errors

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"n": 2}, "n is 2, expected 1"),
    ({"tools": [{"type": "function"}]}, "a dataset calls no tools"),
    ({"response_format": {"type": "json_object"}}, "response_format is 'given'"),
    ({"logprobs": True}, "not every generator has probabilities"),
    ({"stop": "."}, "only whole sentences can be checked"),
    ({"invented": 1}, "invented is 'given', expected one of the documented names"),
    ({"messages": []}, "messages"),
    ({"messages": [said("Hello.")]}, "a last message of the role 'user'"),
    ({"messages": [{"role": "user", "content": "  "}]}, "with a text"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content"),
    ({"model": "/extractive"}, "DATASET@VERSION"),
    ({"model": "rocks/parrot"}, "parrot"),
    ({"ragstone": {"k": 3}}, "ragstone.k"),
]


@pytest.mark.parametrize(("wrong", "message"), REFUSED)
def test_what_a_dataset_cannot_do_is_refused(
    http: httpx.Client, wrong: dict[str, Any], message: str
) -> None:
    body = {"model": "rocks", "messages": [user(QUESTION)], **wrong}
    answer = http.post("/chat/completions", json=body)
    error = answer.json()["error"]
    assert answer.status_code == 400, error
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_argument")
    assert message in error["message"]
    assert error["hint"] in error["message"]


def test_errors_are_those_of_the_client(chat: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="There is no dataset 'stones'") as missing:
        chat.chat.completions.create(model="stones", messages=[user(QUESTION)])
    assert (missing.value.code, missing.value.type) == ("unknown_dataset", "invalid_request_error")
    assert "Known datasets" in missing.value.message
    with pytest.raises(openai.BadRequestError) as wrong:
        chat.chat.completions.create(model="rocks", messages=[user(QUESTION)], n=3)
    assert (wrong.value.code, wrong.value.param) == ("invalid_argument", "n")


def test_without_the_token(chat: openai.OpenAI) -> None:
    stranger = chat.with_options(api_key="wrong")
    with pytest.raises(openai.AuthenticationError) as refused:
        stranger.models.list()
    assert (refused.value.code, refused.value.type) == ("unauthenticated", "authentication_error")


def test_a_client_is_told_not_to_try_in_vain(http: httpx.Client) -> None:
    body = {"model": "rocks/hf:/no/such/model", "messages": [user(QUESTION)]}
    answer = http.post("/chat/completions", json=body)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (503, "false")
    assert answer.json()["error"]["code"] == "generator_unavailable"
