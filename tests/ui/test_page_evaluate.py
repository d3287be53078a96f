"""The page Evaluate: search, answers and models, measured, kept, and looked into."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.server.run import running
from ragstone.ui import evaluate_charts
from ragstone.ui.evaluate_charts import Point
from ragstone.workspace import Workspace
from tests.ui.reading import text

Open = Callable[..., AppTest]
STONES = ("granite", "basalt", "chalk", "slate")
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    """A served workspace with golden queries, measured before and after an item was taken out."""
    folder = tmp_path_factory.mktemp("judged")
    sources = folder / "stones"
    sources.mkdir()
    for name in STONES:
        (sources / f"{name}.md").write_text(f"# {name}\n\nThe stone {name} is found in {name}land.")
    queries = [{"_id": name, "text": f"where is {name} found {SCRIPT}"} for name in STONES]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    rows = "".join(f"{name}\t{name}.md\t1\n" for name in STONES)
    (folder / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}")
    settings = {"ingestion": {"workers": 0}}
    with ragstone.open(folder / "workspace", create=True, encoder=encoder, **settings) as opened:
        opened.ingest([sources], "stones")
        opened.add_golden("stones", folder / "queries.jsonl", folder / "qrels.tsv")
        gone = next(item for item in opened.items("stones") if item.name == "granite.md")
        opened.delete("stones", [gone.item_id])
        opened.ingest([sources / "chalk.md"], "plain")
        with running(opened):
            yield opened


def click(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def charts(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(part.proto.spec) for part in app.get("vega_lite_chart")]


# ---------------------------------------------------------------- search


def test_a_dataset_without_golden_queries_says_how_to_begin(
    open_page: Open, judged: Workspace
) -> None:
    app = open_page("evaluate", judged.path, dataset="plain")
    assert not app.exception
    assert "This dataset has none yet." in app.info[0].value
    assert "Measure" not in [button.label for button in app.button]


def test_search_is_measured_kept_and_opened(open_page: Open, judged: Workspace) -> None:
    app = open_page("evaluate", judged.path, dataset="stones")
    app.selectbox(key="against").set_value("1")
    app.pills[0].set_value(["keyword"])
    app = click(app, "Measure")
    assert not app.exception
    (kept,) = [one for one in judged.evaluations("stones") if one.evaluation]
    assert app.query_params["evaluation"] == kept.evaluation
    found = judged.evaluation(kept.evaluation)
    (comparison,) = found.comparisons
    table, differences = (part.value for part in app.dataframe[:2])
    assert list(table["Mode"]) == ["keyword"]
    low, high = found.intervals["keyword"]["ndcg@10"]
    assert low <= found.modes["keyword"]["ndcg@10"] <= high
    mean = f"{found.modes['keyword']['ndcg@10']:.4f}"
    assert list(table["ndcg@10"]) == [f"{mean} ({low:.3f} to {high:.3f})"]
    loss = comparison.measures["ndcg@10"]
    row = list(differences["Measure"]).index("ndcg@10")
    assert list(differences["95 % interval"])[row] == f"{loss.low:+.4f} to {loss.high:+.4f}"
    assert len(charts(app)) == 2
    # The query about the item that is gone lost most, and both rankings are shown.
    assert "where is granite found <script>" in text(app)
    assert "granite.mdgrade 1" in text(app)
    assert not any("<script" in part.value for part in (*app.html, *app.markdown, *app.caption))


def test_measurements_are_listed_and_shown_side_by_side(open_page: Open, judged: Workspace) -> None:
    first = judged.evaluate_retrieval("stones@1", modes=["keyword"])
    second = judged.evaluate_retrieval("stones@2", modes=["keyword"])
    app = open_page("evaluate", judged.path, dataset="stones")
    listed = app.dataframe[-1].value
    assert list(listed["Version"])[:2] == [2, 1]
    assert "keyword nDCG@10" in next(iter(listed["What"]))
    ids = f"{first.evaluation},{second.evaluation}"
    app = open_page("evaluate", judged.path, dataset="stones", evaluation=ids)
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["Mode"]) == ["keyword, 1: version 1", "keyword, 2: version 2"]
    before, after = (float(cell.split()[0]) for cell in table["ndcg@10"])  # with their intervals
    assert before > after
    app = click(app, "All measurements")
    assert "evaluation" not in app.query_params


def test_an_unknown_measurement_is_said_so(open_page: Open, judged: Workspace) -> None:
    app = open_page("evaluate", judged.path, dataset="stones", evaluation="01ARZ3NDEKTSV4RRFFQ6")
    assert [part.value for part in app.error] == ["This did not work."]


# ---------------------------------------------------------------- answers


def test_answers_are_measured_and_kept(open_page: Open, judged: Workspace) -> None:
    questions = [{"question": f"Where is {n} found?", "answers": [f"{n}land"]} for n in STONES]
    content = "\n".join(map(json.dumps, questions)).encode()
    app = open_page("evaluate", judged.path, dataset="stones", measured="answers")
    app = click(app, "Measure")
    assert [part.value for part in app.warning] == ["Choose a file of questions."]
    app.file_uploader[0].set_value(("questions.jsonl", content, "application/json"))
    app.number_input(key="limit").set_value(3)
    app.selectbox(key="against").set_value("1")
    app = click(app, "Measure")
    assert not app.exception
    found = judged.evaluation(app.query_params["evaluation"])
    assert found.questions == 3
    table = app.dataframe[0].value
    assert list(table)[1:] == [run.label for run in found.runs]
    f1 = found.runs[0].measures["f1"]
    row = list(table["Measure"]).index("f1")
    shown = list(table[found.runs[0].label])[row]
    assert shown == f"{f1.value:.3f} ({f1.low:.3f} to {f1.high:.3f}) of 3"
    assert "95 of 100 within" in text(app)


# ---------------------------------------------------------------- models


def test_a_model_is_measured_with_intervals(open_page: Open, taught: Workspace) -> None:
    app = open_page("evaluate", taught.path, measured="models", models="draws@1,draws@2")
    assert not app.exception
    app.number_input(key="measured-samples").set_value(20)
    app = click(app, "Measure")
    assert not app.exception
    measures = app.dataframe[0].value
    assert list(measures)[1:] == ["draws@1", "draws@2"]
    assert "loss on what is held out" in set(measures["Measure"])
    stored = taught.model("draws@1").measures
    assert set(stored) <= set(measures["Measure"])
    row = list(measures["Measure"]).index("memorised")
    assert re.fullmatch(r"[\d.]+ \([\d.]+ to [\d.]+\)", list(measures["draws@1"])[row])
    (chart,) = charts(app)
    assert chart["layer"][1]["encoding"]["x2"] == {"field": "high"}
    assert "classifier" in text(app)  # how more can be measured


def test_licences_and_balance_of_what_it_learnt_from(open_page: Open, taught: Workspace) -> None:
    app = open_page("evaluate", taught.path, measured="models", models="draws@1")
    licences = app.dataframe[-1].value
    assert list(licences["Items"]) == [40]
    app = click(app, "Look at the balance")
    assert not app.exception
    assert "evenness 1.000" in text(app)
    assert list(app.dataframe[-1].value["Items"]) == [20, 20]


def test_a_workspace_without_models_says_how_to_begin(open_page: Open, judged: Workspace) -> None:
    app = open_page("evaluate", judged.path, measured="models")
    assert "No model was trained here yet." in app.info[0].value


# ---------------------------------------------------------------- charts


def test_a_measure_without_an_interval_has_no_error_bar() -> None:
    points = [Point("f1", "a", 0.5, 0.4, 0.6), Point("f1", "b", 0.7)]
    spec = evaluate_charts.specification(points, "share", {"type": "bar"}, zero=False)
    assert [value["low"] for value in spec["data"]["values"]] == [0.4, None]
    assert spec["layer"][1]["transform"] == [{"filter": "isValid(datum.low)"}]
    assert len(spec["layer"]) == 2
