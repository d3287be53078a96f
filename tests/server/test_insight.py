"""What people look at, through a real server: answers in lists, and pages of PDFs."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ragstone import errors
from ragstone.cli.demo_files import pdf_bytes
from ragstone.client import Client
from ragstone.workspace import Workspace

QUESTION = "What is granite made of?"
PAGES = [["A first page."], ["Granite is made of quartz", "and mica."]]


# ---------------------------------------------------------------- answers


@pytest.fixture
def asked(owned: Workspace) -> Workspace:
    for question in (QUESTION, "Who won the 1987 chess championship?"):
        owned.ask(question, "rocks", session="two questions")
    owned.ask("What is basalt?", "rocks")
    return owned


def test_answers_are_listed_newest_first(asked: Workspace, client: Client) -> None:
    found = client.answers("rocks", limit=2)
    assert found == asked.answers("rocks", limit=2)
    assert [answer.question for answer in found.answers] == [
        "What is basalt?",
        "Who won the 1987 chess championship?",
    ]
    assert client.answers().total >= found.total >= 3  # of all datasets, and of one
    assert client.answers("rocks", limit=1, offset=1).answers == found.answers[1:]


def test_a_summary_is_what_the_record_says(asked: Workspace, client: Client) -> None:
    said = asked.ask(QUESTION, "rocks")
    (first,) = client.answers("rocks", limit=1).answers
    for name in ("answer_id", "question", "answer", "found", "dataset", "version", "generator"):
        assert getattr(first, name) == getattr(said, name)
    assert (first.evidence, first.seconds, first.session) == (said.evidence, said.seconds, "")
    assert abs((first.created - said.created).total_seconds()) < 1
    assert first.state == "done"


def test_answers_of_a_session_by_its_name_or_id(asked: Workspace, client: Client) -> None:
    by_name = client.answers("rocks", session="two questions").answers
    assert {answer.question for answer in by_name[:2]} == {
        QUESTION,
        "Who won the 1987 chess championship?",
    }
    assert client.answers(session=by_name[0].session).answers == by_name
    assert by_name == asked.answers("rocks", session="two questions").answers
    assert client.answers("rocks", session="nobody has begun it").total == 0


def test_a_failed_answer_is_listed_with_what_was_said(owned: Workspace) -> None:
    stream = owned.ask_stream(QUESTION, "rocks", session="broken off")
    next(stream)
    stream.close()
    (kept,) = owned.answers("rocks", session="broken off").answers
    assert (kept.state, kept.found) == ("cancelled", False)
    assert kept.answer.startswith("Granite is a hard stone")


# ---------------------------------------------------------------- pages


@pytest.fixture(scope="module")
def printed(owned: Workspace, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("printed") / "printed.pdf"
    path.write_bytes(pdf_bytes(PAGES))
    owned.ingest([path], "printed")
    return owned.items("printed")[0].item_id


def picture(content: bytes) -> np.ndarray[Any, np.dtype[np.int16]]:
    image = Image.open(io.BytesIO(content))
    assert image.format == "WEBP"
    return np.asarray(image.convert("RGB")).astype(np.int16)


def amber(pixels: np.ndarray[Any, np.dtype[np.int16]]) -> int:
    """How many pixels are much more red than blue."""
    return int((pixels[..., 0] - pixels[..., 2] > 40).sum())


def test_a_page_is_drawn_and_a_quote_marked(client: Client, printed: str) -> None:
    plain = client.page_image(printed, 2)
    assert plain.media_type == "image/webp"
    assert amber(picture(plain.content)) == 0
    over_two_lines = client.page_image(printed, 2, quote="made of\n quartz and mica")
    assert amber(picture(over_two_lines.content)) > 1_000
    one_line = client.page_image(printed, 2, quote="made of quartz")
    assert amber(picture(one_line.content)) < amber(picture(over_two_lines.content))
    elsewhere = client.page_image(printed, 1, quote="made of quartz")
    assert amber(picture(elsewhere.content)) == 0


def test_pages_are_as_of_the_workspace(client: Client, owned: Workspace, printed: str) -> None:
    assert client.page_image(printed, 1) == owned.page_image(printed, 1)


def test_a_damaged_pdf_is_refused(owned: Workspace) -> None:
    from ragstone.ingestion.page_pictures import page_picture

    with pytest.raises(errors.MalformedInput, match="not a valid PDF"):
        page_picture(b"%PDF-1.7 this is no document", 1, "", owned.settings.limits)


# ---------------------------------------------------------------- duplicates


@pytest.fixture(scope="module")
def near(owned: Workspace, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A dataset of two texts that share 50 of 54 lines and one that shares none."""
    folder = tmp_path_factory.mktemp("near")
    lines = [f"line {number} of a text about slate and its uses" for number in range(50)]
    (folder / "a.txt").write_text("\n".join([*lines, "the end of it"]), encoding="utf-8")
    (folder / "b.txt").write_text("\n".join([*lines, "another last line"]), encoding="utf-8")
    (folder / "c.txt").write_text("Chalk is soft.", encoding="utf-8")
    owned.ingest([folder], "near")
    return "near"


def test_another_policy_is_looked_at_and_nothing_changed(
    client: Client, owned: Workspace, near: str
) -> None:
    before = owned.log(near)
    (group,) = owned.duplicates(near).groups
    hidden = [member.item_id for member in group.members if not member.visible]
    same = client.preview_duplicates(near)
    assert same.report == owned.duplicates(near)
    assert (same.newly_hidden, same.shown_again, same.total) == (0, 0, 1)
    assert same.items == before[0].items
    apart = client.preview_duplicates(near, thresholds={"text": 0.0})
    assert apart == owned.preview_duplicates(near, thresholds={"text": 0.0})
    assert (apart.shown, apart.hidden, apart.items) == (hidden, [], before[0].items + 1)
    kept = client.preview_duplicates(near, keep={"text": "all"})
    assert (kept.shown_again, kept.total) == (1, 1)
    assert client.preview_duplicates(near, undo=True).shown == hidden
    assert client.preview_duplicates(near, kind="image").total == 0
    assert owned.log(near) == before


def test_what_a_preview_says_is_what_the_policy_does(owned: Workspace, near: str) -> None:
    said = owned.preview_duplicates(near, undo=True)
    owned.set_duplicate_policy(near, undo=True)
    assert owned.log(near)[0].items == said.items
    back = owned.preview_duplicates(near, keep={"text": "first"})
    owned.set_duplicate_policy(near, keep={"text": "first"})
    assert owned.log(near)[0].items == back.items
    assert back.newly_hidden == 1


def test_two_items_are_compared(client: Client, owned: Workspace, near: str) -> None:
    one, other = (member.item_id for member in owned.duplicates(near).groups[0].members)
    found = client.compare_items(one, other)
    assert found == owned.compare_items(one, other)
    assert (found.first, found.second) == (one, other)
    assert found.text
    lines = [line for hunk in found.text.hunks for line in hunk.lines]
    assert {"the end of it", "another last line"} == {line[1:] for line in lines if line[0] in "+-"}
    assert "size" in {change.field for change in found.fields}
    same = client.compare_items(one, one)
    assert (same.fields, same.text) == ([], None)


# ---------------------------------------------------------------- golden queries


def test_one_golden_query_is_kept_and_grows(client: Client, owned: Workspace) -> None:
    by_name = {item.name: item.item_id for item in owned.items("rocks")}
    made = client.add_golden_query("rocks", "a  hard stone", [by_name["granite.md"][:10]])
    assert (made.query, made.documents, made.feedback) == ("a hard stone", {"granite.md": 1}, [])
    assert made in owned.golden("rocks")
    both = owned.add_golden_query("rocks", "a hard stone", list(by_name.values()))
    assert both.query_id == made.query_id
    assert both.documents == {"granite.md": 1, "basalt.md": 1}
    assert len([q for q in owned.golden("rocks") if q.query == "a hard stone"]) == 1
    rows = owned._store.catalog.rows("SELECT * FROM golden_queries WHERE query = 'a hard stone'")
    assert len(rows) == 2


# ---------------------------------------------------------------- about


def test_what_the_server_runs_with(client: Client, owned: Workspace) -> None:
    found = client.about()
    assert found == owned.about()
    assert {"duckdb", "numpy", "torch"} <= set(found.libraries)
    settings = {row.name: row for row in found.settings}
    assert (settings["ingestion.workers"].value, settings["ingestion.workers"].default) == (0, 1)
    assert settings["ingestion.workers"].origin == "call"
    assert settings["retrieval.candidates"].origin == "default"
    used = {(use.dataset, use.modality): use.space for use in found.encoders}
    assert used["rocks", "text"] == owned.log("rocks")[0].space
    assert not found.api_key


def test_settings_say_who_set_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ragstone

    monkeypatch.setenv("RAGSTONE_RETRIEVAL__CANDIDATES", "300")
    monkeypatch.setenv("RAGSTONE_OPENAI_API_KEY", "a secret")
    path = tmp_path / "workspace"
    ragstone.open(path, create=True).close()
    (path / "ragstone.toml").write_text(
        "[retrieval]\ncandidates = 250\nvector_weight = 0.7\n[generation]\n"
        'servers = ["http://me:secret@example.org:1/v1"]\n[jobs]\nworkers = 1\n',
        encoding="utf-8",
    )
    with ragstone.open(path, server={"port": 0}) as opened:
        found = opened.about()
    rows = {row.name: (row.value, row.origin) for row in found.settings}
    assert rows["retrieval.candidates"] == (300, "environment")
    assert rows["retrieval.vector_weight"] == (0.7, "file")
    assert rows["server.port"] == (0, "call")
    assert rows["jobs.workers"] == (1, "file")
    assert rows["generation.servers"] == (["http://…@example.org:1/v1"], "file")
    assert found.api_key
    assert "secret" not in repr(found)


FAILURES: dict[str, Callable[[Any, str], Any]] = {
    "page 0": lambda ws, item: ws.page_image(item, 0),
    "a page after the last": lambda ws, item: ws.page_image(item, 3),
    "no item": lambda ws, _: ws.page_image("0123456789", 1),
    "answers of no dataset": lambda ws, _: ws.answers("nothing"),
    "no kind of duplicates": lambda ws, _: ws.preview_duplicates("rocks", kind="twins"),
    "a threshold of no kind": lambda ws, _: ws.preview_duplicates("rocks", thresholds={"x": 0.1}),
    "no page of groups": lambda ws, _: ws.preview_duplicates("rocks", limit=0),
    "nothing to compare with": lambda ws, item: ws.compare_items(item, "0123456789"),
    "a golden query without words": lambda ws, _: ws.add_golden_query("rocks", " ", ["0" * 8]),
    "a golden query without items": lambda ws, _: ws.add_golden_query("rocks", "stone", []),
    "a golden query of nothing": lambda ws, _: ws.add_golden_query("rocks", "x", ["01234567"]),
    "no page of answers": lambda ws, _: ws.answers(limit=0),
}


@pytest.mark.parametrize("name", FAILURES)
def test_errors_equal_those_of_the_workspace(
    client: Client, owned: Workspace, printed: str, name: str
) -> None:
    with pytest.raises(errors.RagstoneError) as here:
        FAILURES[name](owned, printed)
    with pytest.raises(errors.RagstoneError) as there:
        FAILURES[name](client, printed)
    assert type(there.value) is type(here.value)
    assert there.value.as_dict() == here.value.as_dict()


def test_what_is_no_pdf_has_no_pages(client: Client, owned: Workspace) -> None:
    with pytest.raises(errors.InvalidArgument, match="a PDF"):
        client.page_image(owned.items("rocks")[0].item_id, 1)
