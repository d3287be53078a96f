"""The page Train: what can be learnt, how long it takes, runs as they go and beside each other."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

from ragstone.client import connect, find_server
from ragstone.ui import trained
from ragstone.ui.train_compare import differing
from ragstone.ui.train_curves import Line, option
from ragstone.ui.train_form import changed
from ragstone.workspace import Workspace
from tests.ui.reading import text

from ..server.test_training import LONG

Open = Callable[..., AppTest]
PATIENCE = 120.0  # seconds


def click(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def charts(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(part.proto.spec) for part in app.get("echarts_chart")]


def families(app: AppTest) -> list[str]:
    return list(app.selectbox(key="family").options)


# ---------------------------------------------------------------- the form


def test_only_families_that_fit_the_data_are_offered(open_page: Open, taught: Workspace) -> None:
    app = open_page("train", taught.path, dataset="squares")
    assert not app.exception
    assert {"vae", "diffusion", "dcgan"} <= set(families(app))
    assert "gpt" not in families(app)
    app = open_page("train", taught.path, dataset="notes")
    assert set(families(app)) == {"gpt", "lstm", "gru"}
    app = open_page("train", taught.path, dataset="notes", material="Pairs of texts")
    assert families(app) == ["encdec"]
    assert [box.label for box in app.selectbox][-2:] == [
        "Text that is read",
        "Text that is written",
    ]


def test_fields_of_the_metadata_are_offered(open_page: Open, taught: Workspace) -> None:
    app = open_page("train", taught.path, dataset="squares", family="vae")
    label = next(box for box in app.selectbox if box.label == "Label field")
    assert label.options == ["none", "side"]
    app = open_page("train", taught.path, dataset="squares", family="classifier")
    label = next(box for box in app.selectbox if box.label == "Label field")
    assert label.options == ["side"]


def test_other_settings_are_those_with_a_value() -> None:
    names = ["width", "batch", "seed"]
    assert changed(names, ["", " 64 ", None]) == {"batch": "64"}


def test_a_training_is_estimated_started_and_done(open_page: Open, taught: Workspace) -> None:
    app = open_page("train", taught.path, dataset="notes", family="gru")
    app.text_input[0].set_value("planned").run()
    app.segmented_control(key="time").set_value("Ten seconds").run()
    assert "Start training" not in [button.label for button in app.button]
    app = click(app, "Estimate the time")
    assert not app.exception
    assert re.search(r"About \d+ s on this machine", text(app))
    assert "planned, gru on notes" in text(app)
    steps = re.search(r"gru on notes(\d[\d,]*) steps?", text(app))
    assert steps is not None
    planned = int(steps.group(1).replace(",", ""))
    app.text_input[0].set_value("other").run()  # a plan of something else is none
    assert "Start training" not in [button.label for button in app.button]
    app.text_input[0].set_value("planned").run()
    app = click(app, "Start training")
    assert not app.exception
    job = app.query_params["run"]
    assert taught.job(job).model == "planned"
    follow(taught, job)
    app = app.run()
    assert not app.exception
    assert f"planned@1: gru on notes@{taught.log('notes')[0].version}" in text(app)
    run = taught.run(job).run
    assert run.settings["minutes"] == 1 / 6
    assert run.settings["evaluate_every"] == max(1, planned // 10)


def follow(workspace: Workspace, job: str) -> None:
    end = time.monotonic() + PATIENCE
    while not workspace.job(job).ended_for_good:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert workspace.job(job).state == "done", workspace.job(job).error


def test_what_cannot_be_trained_is_said_so(open_page: Open, taught: Workspace) -> None:
    app = open_page("train", taught.path, dataset="notes", family="gru")
    app.text_input[0].set_value("<B>").run()
    app = click(app, "Estimate the time")
    assert [part.value for part in app.error] == ["This did not work."]
    assert "'<B>'" in text(app)
    assert "Start training" not in [button.label for button in app.button]


# ---------------------------------------------------------------- a run


def test_a_run_has_curves_samples_and_a_card(open_page: Open, taught: Workspace) -> None:
    (run,) = [run for run in taught.runs() if run.name == "writes"]
    app = open_page("train", taught.path, run=run.run)
    assert not app.exception
    loss, *others = charts(app)
    points = taught.run(run.run).points
    assert loss["series"][0]["data"] == [[p.step, p.loss] for p in points]
    assert loss["series"][1]["data"] == [
        [p.step, p.validation] for p in points if p.validation is not None
    ]
    assert loss["yAxis"]["type"] == "value"
    assert {chart["title"]["text"] for chart in others} == {
        "Learning rate",
        "Norm of the gradients",
        "Examples per second",
    }
    made = taught.sample("writes", sampler=sampler())
    assert made.text in text(app)
    assert taught.model_card("writes").splitlines()[-1] in text(app)
    app = open_page("train", taught.path, run=run.run, log="true")
    assert charts(app)[0]["yAxis"]["type"] == "log"
    app = click(app, "Measure it")
    assert (app.query_params["page"], app.query_params["models"]) == ("evaluate", "writes@1")


def sampler() -> Any:
    from ragstone.models.sampling import Sampler

    return Sampler(seed=0)


def test_a_run_is_stopped_and_goes_on(open_page: Open, taught: Workspace) -> None:
    job = taught.submit_train("gru", "notes", "halted", LONG).job
    end = time.monotonic() + PATIENCE
    while getattr(taught.job(job).progress, "step", 0) <= 20:
        assert time.monotonic() < end
        time.sleep(0.05)
    app = open_page("train", taught.path, run=job)
    assert not app.exception
    assert "examples per second" in text(app)
    assert not app.expander  # nothing came of it yet
    app = click(app, "Stop")
    assert taught.job(job).state == "cancelled"
    assert "stopped" in text(app)
    app = click(app, "Go on")
    assert not app.exception
    assert taught.job(job).state in ("queued", "running")
    address = find_server(taught.path)
    assert address is not None
    with connect(address.url, address.token) as client:
        client.cancel(job)
    assert taught.run(job).run.state == "stopped"


def test_a_failed_training_says_why(open_page: Open, taught: Workspace) -> None:
    job = taught.submit_train("vae", "notes", "pictures").job
    end = time.monotonic() + PATIENCE
    while not taught.job(job).ended_for_good:
        assert time.monotonic() < end
        time.sleep(0.05)
    app = open_page("train", taught.path, run=job)
    assert not app.exception
    error = taught.job(job).error
    assert error is not None
    assert error.message in text(app)
    assert "Go on" in [button.label for button in app.button]


def test_an_unknown_run_is_said_so(open_page: Open, taught: Workspace) -> None:
    app = open_page("train", taught.path, run="01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert [part.value for part in app.error] == ["This did not work."]


# ---------------------------------------------------------------- runs beside each other


def test_runs_are_compared(open_page: Open, taught: Workspace) -> None:
    second, first = [run for run in taught.runs() if run.name == "draws"]
    app = open_page("train", taught.path, compare=f"{first.run},{second.run}")
    assert not app.exception
    settings, measures = (table.value for table in app.dataframe)
    assert list(settings["Setting"]) == ["latent"]
    assert [list(settings[column]) for column in list(settings)[1:]] == [["4"], ["2"]]
    assert {"steps", "parameters", "best loss on what is held out"} <= set(measures["Measure"])
    for chart in charts(app):
        assert [line["name"] for line in chart["series"]] == list(settings)[1:]
    assert len(app.get("image") or app.get("imgs")) == 2


def test_numbers_and_times_are_read_at_a_glance() -> None:
    assert [trained.figure(value) for value in (None, 0.123456, 12.3456, 12_345.6)] == [
        "–",
        "0.1235",
        "12.35",
        "12,346",
    ]
    assert [trained.lasting(value) for value in (0.2, 59, 200, 7_500)] == [
        "less than a second",
        "59 s",
        "3 min 20 s",
        "2 h 5 min",
    ]


def test_what_does_not_differ_is_left_out() -> None:
    runs = [{"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}]
    assert differing(runs) == {"b": ["2", "3"], "c": ["–", "4"]}


def test_a_logarithmic_axis_has_no_place_for_zero() -> None:
    line = Line("loss", [(10, 1.0), (20, 0.0), (30, -1.0)])
    assert option("Loss", [line], log=True)["series"][0]["data"] == [[10, 1.0]]
    assert len(option("Loss", [line], log=False)["series"][0]["data"]) == 3


def test_runs_are_listed(open_page: Open, taught: Workspace) -> None:
    app = open_page("train", taught.path, dataset="notes")
    table = app.dataframe[-1].value
    assert {"writes@1", "draws@1", "draws@2"} <= set(table["Name"])
    by_label = {button.label: button for button in app.button}
    assert by_label["Open the run"].disabled
    assert by_label["Compare"].disabled
