"""The page Generate: a form made from what a model can do, a gallery, copies, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ragstone.models.sampling import Sampler
from ragstone.ui.generate_nearest import stretch
from ragstone.workspace import Workspace
from tests.ui.reading import labelled, text

Open = Callable[..., AppTest]


def click(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def last(app: AppTest) -> Any:
    return app.session_state["last made"]


def warnings(app: AppTest) -> list[str]:
    return [part.value for part in app.warning]


def test_the_form_says_what_a_model_can_do(open_page: Open, taught: Workspace) -> None:
    app = open_page("generate", taught.path, model="draws@1")
    assert not app.exception
    tasks = next(one for one in app.segmented_control if one.label == "What it does")
    assert tasks.options == ["Something new", "Give back", "Between two"]
    assert labelled(app.selectbox, "Label").options == ["any", "left", "right"]
    assert not app.text_area
    app = open_page("generate", taught.path, model="writes")
    assert app.query_params["model"] == "writes@1"
    assert [area.label for area in app.text_area] == ["Beginning"]
    assert not any(one.label == "What it does" for one in app.segmented_control)


def test_images_are_made_as_a_link_says(open_page: Open, taught: Workspace) -> None:
    app = open_page("generate", taught.path, model="draws@1", label="left", seed="3")
    app = click(app, "Make")
    assert not app.exception
    made = taught.sample(
        "draws@1", conditions={"label": "left"}, count=4, sampler=Sampler(seed=3), each=True
    )
    assert last(app).sample.pieces == made.pieces
    assert "label: left" in text(app)
    assert len(app.get("download_button")) == 5  # of each, and of all
    nearest = taught.search("", "squares@1", image=made.pieces[0], mode="vector", k=3).hits
    for hit in nearest:
        assert f"{hit.arms['image'].score:.2f}" in text(app)
        assert hit.name in text(app)


def test_the_seed_and_the_label_stand_in_the_address(open_page: Open, taught: Workspace) -> None:
    app = open_page("generate", taught.path, model="draws@1")
    app.number_input(key="seed").set_value(7)
    labelled(app.selectbox, "Label").set_value("right")
    app = click(app, "Make")
    assert (app.query_params["seed"], app.query_params["label"]) == ("7", "right")
    assert last(app).asked["sampler"] == {"seed": 7}


def test_two_items_are_gone_between(open_page: Open, taught: Workspace) -> None:
    app = open_page("generate", taught.path, model="draws@1", task="interpolate")
    app = click(app, "Make")
    assert warnings(app) == ["Choose two things to go between."]
    takes = [button for button in app.button if button.label == "Take"]
    assert len(takes) == 12
    takes[0].click().run()
    app = click(app, "Make")
    assert warnings(app) == ["Choose two things to go between."]
    next(b for b in app.button if b.key == takes[1].key).click().run()
    app = click(app, "Make")
    assert not app.exception
    ids = [take.key.removeprefix("take-") for take in takes[:2]]
    assert app.query_params["of"] == " ".join(ids)
    made = taught.sample("draws@1", task="interpolate", images=ids, steps=8, each=True)
    assert last(app).sample.pieces == made.pieces
    assert len(made.pieces) == 8


def test_something_given_back_needs_something(open_page: Open, taught: Workspace) -> None:
    app = open_page("generate", taught.path, model="draws@1", task="reconstruct")
    app = click(app, "Make")
    assert warnings(app) == ["Choose something that it is made of."]
    assert "last made" not in app.session_state


def test_an_id_of_nothing_is_said_so(open_page: Open, taught: Workspace) -> None:
    app = open_page("generate", taught.path, model="draws@1", task="reconstruct", of="<b>")
    app = click(app, "Make")
    assert not app.exception
    assert "This did not work." in [part.value for part in app.error]
    assert "'<b>'" in text(app)


def test_a_diffusion_fills_in_and_changes_images(open_page: Open, taught: Workspace) -> None:
    tiny = {"steps": 3, "batch": 4, "size": 8, "width": 8, "warmup": 1, "label": "side"}
    taught.train_model("diffusion", "squares", "noise", {**tiny, "heads": 2})
    item = taught.items("squares", limit=1)[0].item_id
    app = open_page("generate", taught.path, model="noise", task="inpaint", of=item)
    app.slider(key="solver-steps").set_value(2)
    labelled(app.selectbox, "Solver").set_value("euler")
    app.number_input(key="count").set_value(2)
    app = click(app, "Make")
    assert not app.exception
    assert not app.error
    asked = {"steps": 2, "solver": "euler", "guidance": 1.0, "count": 2}
    made = taught.sample("noise", task="inpaint", images=[item], keep="top", each=True, **asked)
    assert last(app).sample.pieces == made.pieces
    app = open_page("generate", taught.path, model="noise", task="translate", of=item, label="left")
    app.slider(key="strength").set_value(0.25)
    app.slider(key="solver-steps").set_value(2)
    app = click(app, "Make")
    assert not app.error
    assert last(app).asked["strength"] == 0.25
    assert last(app).sample.conditions == {"label": "left"}


def test_texts_go_on_and_show_what_they_copied(open_page: Open, taught: Workspace) -> None:
    app = open_page("generate", taught.path, model="writes", prompt="Stone 1 lies", seed="2")
    app.slider(key="tokens").set_value(60)
    app.number_input(key="temperature").set_value(0.5)
    app = click(app, "Make")
    assert not app.exception
    made = taught.sample(
        "writes", "Stone 1 lies", tokens=60, sampler=Sampler(seed=2, temperature=0.5)
    )
    piece = f"Stone 1 lies{made.text}"
    assert piece in text(app)
    (first, *_) = taught.search(piece, "notes@1", k=3).hits
    assert f"{stretch(piece, first.text)[1]} characters word for word" in text(app)


def test_the_longest_stretch_is_found() -> None:
    assert stretch("my stone lies here", "a stone lies on it") == (1, 12)
    assert stretch("xyz", "abc") == (0, 0)


def test_what_was_made_is_saved_and_marked(open_page: Open, taught: Workspace) -> None:
    before = taught.log("notes")[0]
    app = open_page("generate", taught.path, model="writes", seed="11")
    app = click(app, "Make")
    app.text_input(key="save-message").set_value("one more")
    assert app.selectbox(key="save-into").value == "notes"
    app = click(app, "Save as synthetic")
    assert not app.exception
    newest = taught.log("notes")[0]
    assert (newest.version, newest.synthetic) == (before.version + 1, before.synthetic + 1)
    assert newest.message == "one more"
    assert [part.value for part in app.success] == [f"1 added, in version {newest.version}."]
    assert f"restore version {before.version} of notes" in text(app)
    app = click(app, "Save as synthetic")
    assert "It has them already" in app.info[0].value
    taught.restore(f"notes@{before.version}")


def test_a_workspace_without_models_says_how_to_begin(open_page: Open, owned: Workspace) -> None:
    app = open_page("generate", owned.path)
    assert "No model was trained here yet." in app.info[0].value


@pytest.mark.parametrize("values", [{"model": "gone@4"}, {"label": "gone"}, {"task": "gone"}])
def test_what_is_not_there_gives_way(
    open_page: Open, taught: Workspace, values: dict[str, str]
) -> None:
    app = open_page("generate", taught.path, **{"model": "draws@1", **values})
    assert not app.exception
    assert not app.error
