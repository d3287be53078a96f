"""The page Ask: a conversation, answers with their parts, and the list of earlier ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from ragstone.cli.demo_files import pdf_bytes
from ragstone.client import Address, connect
from ragstone.schemas.answers import AnswerText, StoredAnswer
from ragstone.server.run import running
from ragstone.ui.answering import Writing
from ragstone.workspace import Workspace
from tests.server.conftest import Endless
from tests.server.conftest import endless as endless
from tests.ui.reading import alerts, drawer, is_inert, marked, text

Open = Callable[..., AppTest]
QUESTION = "What is granite made of?"
SENTENCE = "Granite is a hard stone made of quartz, feldspar and mica. [1] And "


def ask(app: AppTest, question: str) -> AppTest:
    return app.chat_input[0].set_value(question).run()


def stored(app: AppTest, owned: Workspace) -> StoredAnswer:
    found = owned.show(app.query_params["answer"])
    assert isinstance(found, StoredAnswer)
    return found


def press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


# ---------------------------------------------------------------- a question and its answer


def test_an_answer_has_citations_that_open_their_passage(open_page: Open, owned: Workspace) -> None:
    app = ask(open_page("ask", dataset="stones"), QUESTION)
    assert not app.exception
    said = stored(app, owned).answer
    assert said.found
    assert said.answer in text(app)
    assert "[1]" in text(app)
    assert [part.value for part in app.subheader] == ["Sources", "Support per sentence"]
    press(app, "Open passage")
    assert drawer(app)
    assert marked(app)[-1] == said.citations[0].quote


def test_not_found_is_shown_as_such_with_the_nearest_passages(open_page: Open) -> None:
    app = ask(open_page("ask", dataset="stones"), "Who won the 1987 chess championship?")
    assert alerts(app) == ["Not found in this dataset."]
    assert [part.value for part in app.subheader] == ["Nearest passages"]
    assert any(button.label == "Open in document" for button in app.button)


def test_an_empty_question_is_not_asked(open_page: Open, owned: Workspace) -> None:
    before = owned.answers("stones").total
    app = ask(open_page("ask", dataset="stones"), "  ")
    assert "answer" not in app.query_params
    assert owned.answers("stones").total == before


def test_a_wrong_filter_is_explained_where_the_answer_would_be(open_page: Open) -> None:
    app = ask(open_page("ask", dataset="stones", where="<b>?</b>"), QUESTION)
    assert alerts(app) == ["This did not work."]
    assert "Write FIELD OPERATOR VALUE" in text(app)


def test_the_chosen_generator_writes(open_page: Open, owned: Workspace) -> None:
    app = open_page("ask", dataset="stones")
    box = next(box for box in app.sidebar.selectbox if box.label == "Generator")
    assert box.options == [info.id for info in owned.generators() if info.available]
    assert box.value == "extractive"
    assert stored(ask(app, QUESTION), owned).answer.generator == "extractive"


def test_markup_in_an_answer_is_shown_and_not_obeyed(open_page: Open) -> None:
    app = ask(open_page("ask", dataset="stones"), "What is the hostile markup <b>?</b>")
    assert not app.exception
    assert "hostile markup" in text(app)
    is_inert(app)


# ---------------------------------------------------------------- conversations


def test_questions_follow_on_each_other(open_page: Open, owned: Workspace) -> None:
    app = ask(open_page("ask", dataset="stones"), QUESTION)
    first = stored(app, owned).answer
    app = ask(app, "How does it form?")
    second = stored(app, owned).answer
    assert second.session == first.session != ""
    assert "granite" in second.rewritten.lower()
    assert len(app.chat_message) == 4
    shown = text(app)
    assert shown.index(QUESTION) < shown.index("How does it form?")
    assert "Asked as:" in [part.value for part in app.caption]


def test_an_earlier_turn_opens_with_its_parts(open_page: Open, owned: Workspace) -> None:
    app = ask(open_page("ask", dataset="stones"), QUESTION)
    first = app.query_params["answer"]
    app = ask(app, "How does it form?")
    assert f"answer {first}" not in text(app)
    press(app, "Sources and receipt")
    assert app.query_params["answer"] == first
    assert f"answer {first}" in text(app)
    assert len(app.chat_message) == 4
    assert stored(app, owned).answer.question == QUESTION


def test_a_new_conversation_begins_empty(open_page: Open, owned: Workspace) -> None:
    app = ask(open_page("ask", dataset="stones"), QUESTION)
    session = stored(app, owned).answer.session
    press(app, "New conversation")
    assert len(app.chat_message) == 0
    assert stored(ask(app, QUESTION), owned).answer.session != session


def test_another_dataset_begins_another_conversation(open_page: Open) -> None:
    app = ask(open_page("ask", dataset="stones"), QUESTION)
    app.sidebar.selectbox[0].select("another").run()
    assert not app.exception
    assert len(app.chat_message) == 0
    assert "answer" not in app.query_params


def test_a_link_shows_the_answer_again_without_asking(open_page: Open, owned: Workspace) -> None:
    answer = owned.ask(QUESTION, "stones")
    before = owned.answers("stones").total
    app = open_page("ask", answer=answer.answer_id)
    assert answer.answer in text(app)
    assert f"answer {answer.answer_id}" in text(app)
    assert app.sidebar.selectbox[0].value == "stones"
    assert owned.answers("stones").total == before


def test_an_unknown_answer_is_said_so(open_page: Open) -> None:
    app = open_page("ask", dataset="stones", answer="01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert alerts(app) == ["This did not work."]


# ---------------------------------------------------------------- stopping


def test_closing_ends_an_answer_at_once(
    owned: Workspace,
    address: Address,
    endless: Callable[[str], Endless],
) -> None:
    writer = endless(SENTENCE)
    with connect(address.url, address.token) as client:
        writing = Writing(client.ask_stream(QUESTION, "stones", session="stopped"))
        event = writing.news(60)
        assert isinstance(event, AnswerText)
        assert writing.news(0.01) is None
        assert not writing.ended
        began = time.monotonic()
        writing.close()
        while not writing.ended and time.monotonic() < began + 30:
            assert writing.news(0.1) is None
        assert writing.ended
        assert writer.stopped.wait(30)
        while not (kept := owned.answers("stones", session="stopped").answers):
            assert time.monotonic() < began + 30
    assert (kept[0].state, kept[0].answer) == ("cancelled", event.text)


def test_a_stopped_answer_is_shown_as_such(
    owned: Workspace,
    open_page: Open,
    endless: Callable[[str], Endless],
) -> None:
    endless(SENTENCE)
    stream = owned.ask_stream(QUESTION, "stones", session="half")
    said = next(stream)
    stream.close()
    app = open_page("ask", dataset="stones", chat="half")
    assert alerts(app) == ["It was stopped. What was said until then:"]
    assert isinstance(said, AnswerText)
    assert said.text.strip() in text(app)
    assert len(app.feedback) == 0


# ---------------------------------------------------------------- feedback


def test_a_thumb_and_what_it_stands_for_become_feedback(open_page: Open, owned: Workspace) -> None:
    answer = owned.ask(QUESTION, "stones")
    app = open_page("ask", dataset="stones", answer=answer.answer_id)
    assert [one.label for one in app.text_input] == []
    app.feedback[0].set_value(0).run()
    app.selectbox(key="reason").set_value("incomplete")
    app.text_input(key="right").set_value("quartz, feldspar and mica")
    press(app, "Send feedback")
    assert [part.value for part in app.success] == [
        "Thank you. It counts as soon as somebody has reviewed it."
    ]
    given = owned.list_feedback()[0]
    assert (given.answer_id, given.rating, given.reason) == (answer.answer_id, "bad", "incomplete")
    assert (given.answer_text, given.state) == ("quartz, feldspar and mica", "open")


def test_a_good_answer_needs_no_more_than_a_thumb(open_page: Open, owned: Workspace) -> None:
    answer = owned.ask(QUESTION, "stones")
    app = open_page("ask", dataset="stones", answer=answer.answer_id)
    app.feedback[0].set_value(1).run()
    assert [one.label for one in app.text_input] == ["Comment"]
    press(app, "Send feedback")
    given = owned.list_feedback()[0]
    assert (given.answer_id, given.rating) == (answer.answer_id, "good")


# ---------------------------------------------------------------- receipt


def test_an_answer_is_made_again(open_page: Open, owned: Workspace) -> None:
    answer = owned.ask(QUESTION, "stones")
    app = press(open_page("ask", dataset="stones", answer=answer.answer_id), "Replay")
    assert [part.value for part in app.success] == ["The same, byte for byte."]
    assert f"seal {owned.replay(answer.answer_id).seal[:12]}" in text(app)


def test_an_answer_is_followed_to_the_bytes(open_page: Open, owned: Workspace) -> None:
    answer = owned.ask(QUESTION, "stones")
    app = press(open_page("ask", dataset="stones", answer=answer.answer_id), "Explain")
    source = owned.explain(answer.answer_id).claims[0].citations[0].bytes
    assert source
    assert f"bytes {source.start} to {source.end} of {source.size}" in text(app)
    assert "verbatim" in text(app)


# ---------------------------------------------------------------- earlier answers


def test_earlier_answers_are_listed_and_opened(open_page: Open, owned: Workspace) -> None:
    answer = owned.ask(QUESTION, "stones")
    owned.ask("Who won the 1987 chess championship?", "stones")
    app = open_page("ask", dataset="stones", view="Earlier answers")
    table = app.dataframe[0].value
    assert list(table["Outcome"][:2]) == ["not found", "answered"]
    assert table["Question"][1] == QUESTION
    assert table["Answer"][1] == answer.answer
    total = owned.answers("stones").total
    assert f"{total:,} stored. Tick a row to open the answer." in [c.value for c in app.caption]


def test_a_dataset_that_nobody_has_asked_says_so(open_page: Open) -> None:
    app = open_page("ask", dataset="media", view="Earlier answers")
    assert alerts(app) == ["Nothing has been asked yet."]


# ---------------------------------------------------------------- pages of a PDF


def test_a_passage_of_a_pdf_is_seen_on_its_page(
    open_page: Open, workspace: Workspace, tmp_path: Path
) -> None:
    printed = tmp_path / "printed.pdf"
    printed.write_bytes(pdf_bytes([["A first page."], ["Granite is made of quartz and mica."]]))
    workspace.ingest([printed], "printed")
    hit = workspace.search("quartz", "printed", k=1).hits[0]
    with running(workspace):
        app = open_page("search", workspace.path, dataset="printed", q="quartz", open=hit.chunk_id)
        assert not app.exception
        assert len(app.get("image")) == 1
        view = next(group for group in app.segmented_control if group.label == "View")
        assert view.options == ["Pages", "Text", "Chunks", "Alike", "Lineage"]
        assert view.value == "Pages"
        view.set_value("Text").run()
        assert len(app.get("image")) == 0
        assert marked(app)
