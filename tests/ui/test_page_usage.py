"""The page Usage & feedback: figures, and decisions on what people say."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from ragstone.client import Address, connect
from ragstone.server.run import running
from ragstone.workspace import Workspace
from tests.ui.reading import alerts, is_inert, labelled, table, text

Open = Callable[..., AppTest]
QUESTION = "What is granite made of?"


def test_figures_are_those_of_the_workspace(
    open_page: Open, owned: Workspace, address: Address
) -> None:
    with connect(address.url, address.token) as client:
        client.search("granite", "stones")
    owned.ask(QUESTION, "stones")
    app = open_page("usage", of="stones")
    assert not app.exception
    total = owned.usage(30, "stones").total
    assert labelled(app.metric, "Searches").value == f"{total.searches:,}"
    assert labelled(app.metric, "Questions").value == f"{total.answers:,}"
    assert labelled(app.metric, "Answered").value == f"{total.answered / total.answers:.0%}"
    assert labelled(app.metric, "Search, median").value.endswith("s")
    assert list(table(app, "Dataset")["Dataset"]) == ["stones"]
    assert len(app.get("vega_lite_chart")) == 4


def test_nothing_asked_says_so(open_page: Open, workspace: Workspace, address: Address) -> None:
    del address
    with running(workspace):
        app = open_page("usage", workspace.path)
        assert alerts(app) == ["This workspace has no dataset yet, so nothing was asked."]


def test_feedback_is_accepted_and_taken_back(open_page: Open, owned: Workspace) -> None:
    answer = owned.ask(QUESTION, "stones")
    given = owned.feedback(answer.answer_id, good=True, comment="<b>well</b> said")
    app = open_page("usage", view="Feedback", of="stones")
    assert QUESTION in text(app)
    assert "<b>well</b> said" in text(app)
    is_inert(app)
    app.button(key=f"accept-{given.id}").click().run()
    assert not app.exception
    kept = next(one for one in owned.list_feedback("stones") if one.id == given.id)
    assert kept.state == "accepted"
    assert f"Golden query {kept.golden}" in text(app)
    app = open_page("usage", view="Feedback", of="stones", state="accepted")
    app.toggle(key=f"answer-{given.id}").set_value(True).run()
    assert answer.answer in text(app)
    app.button(key=f"reject-{given.id}").click().run()
    assert not app.exception
    assert owned.golden("stones") == []


def test_no_feedback_says_where_it_comes_from(open_page: Open) -> None:
    app = open_page("usage", view="Feedback", of="media")
    assert alerts(app) == ["No feedback in this state."]
