"""Training as a job of a real server: kept, stopped, gone on with; and what models make."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

import ragstone
from ragstone.client import Client, connect
from ragstone.encoders.base import TextEncoder
from ragstone.errors import (
    InvalidArgument,
    JobCancelled,
    ModelBusy,
    UnknownDataset,
    UnknownId,
    UnknownModel,
)
from ragstone.schemas.api import JobInfo, TrainProgress, TrainResult
from ragstone.server.run import running
from ragstone.training.registry import Registry
from ragstone.workspace import Workspace

TEXTS = {"steps": 30, "width": 16, "context": 16, "batch": 4, "warmup": 2}
IMAGES = {"steps": 30, "batch": 8, "size": 8, "width": 8, "latent": 4, "warmup": 2, "label": "side"}
LONG = {**TEXTS, "steps": 100_000, "checkpoint_every": 0}
SOME = {**LONG, "steps": 400, "width": 64}  # enough to be stopped in the middle
PATIENCE = 120.0  # seconds


def write_squares(folder: Path) -> Path:
    """Write 40 grey images that are light at one side, and say at which."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    rows = []
    for number in range(40):
        image = chance.integers(0, 40, (8, 8)).astype(np.uint8)
        side = number % 2
        image[:, side * 4 : side * 4 + 4] += 180
        Image.fromarray(image).save(folder / f"{number:02}.png")
        rows.append({"file_name": f"{number:02}.png", "side": ["left", "right"][side]})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.fixture(scope="module")
def learning(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    """A workspace with texts and images to learn from."""
    folder = tmp_path_factory.mktemp("learning")
    notes = folder / "notes"
    notes.mkdir()
    for number in range(10):  # of so few, the end of each is held out
        (notes / f"{number}.txt").write_text(f"Stone {number} lies on stone {number + 1}. " * 9)
    settings = {"ingestion": {"workers": 0}, "jobs": {"workers": 1}}
    with ragstone.open(folder / "workspace", create=True, encoder=encoder, **settings) as opened:
        opened.ingest([notes], "notes")
        opened.ingest([write_squares(folder / "squares")], "squares")
        yield opened


@pytest.fixture(scope="module")
def told(learning: Workspace) -> Iterator[Client]:
    with running(learning) as address, connect(address.url, address.token) as connected:
        yield connected


@pytest.fixture(autouse=True)
def nothing_left(told: Client) -> Iterator[None]:
    """Take back what a test that failed has left in the queue: the next would wait for it."""
    yield
    for job in told.jobs():
        if not job.ended_for_good:
            told.cancel(job.job)


def wait_until(client: Client, job: str, wanted: Callable[[JobInfo], bool]) -> JobInfo:
    end = time.monotonic() + PATIENCE
    while not wanted(info := client.job(job)):
        assert time.monotonic() < end, info
        assert not info.ended_for_good, info
        time.sleep(0.05)
    return info


def steps(info: JobInfo) -> int:
    return info.progress.step if isinstance(info.progress, TrainProgress) else 0


def run_of(info: JobInfo) -> str:
    return info.progress.run if isinstance(info.progress, TrainProgress) else ""


def test_a_job_trains_a_model_and_keeps_its_run(told: Client) -> None:
    heard: list[TrainProgress] = []
    made = told.train_model("gru", "notes@1", "writes", TEXTS, on_progress=heard.append)
    assert (made.name, made.number, made.family, made.steps) == ("writes", 1, "gru", 30)
    (job,) = told.jobs("notes", state="done")[:1]
    assert (job.kind, job.family, job.model) == ("train", "gru", "writes")
    assert isinstance(job.result, TrainResult)
    assert job.result.model == "writes@1"
    assert job.result.loss == made.loss
    run = told.run(job.job)  # a run that a job begins has its id
    assert (run.run.run, run.run.state, run.run.model) == (made.run, "done", "writes@1")
    assert run.points[-1].step == 30
    assert run.points[-1].validation == pytest.approx(made.loss)
    assert heard
    assert {p.stage for p in heard} <= {"preparing", "training"}
    assert told.models() == [made]
    assert told.model("writes") == made
    assert "# writes, number 1" in told.model_card("writes")


def test_the_same_training_here_gives_the_same_losses(told: Client, learning: Workspace) -> None:
    there = told.train_model("gru", "notes", "there", TEXTS)
    here = learning.train_model("gru", "notes", "here", TEXTS)
    assert there.loss == here.loss
    assert there.digest == here.digest


def test_what_is_stopped_keeps_its_steps_and_goes_on(told: Client, learning: Workspace) -> None:
    job = told.submit_train("gru", "notes", "long", LONG)
    wait_until(told, job.job, lambda info: steps(info) > 20)
    assert told.cancel(job.job).state == "cancelled"
    with pytest.raises(JobCancelled):
        told.trained(job.job)
    assert learning._models.unfinished() == ["long"]
    run = told.run(job.job)
    assert run.run.state == "stopped"
    stopped = run.points[-1].step
    assert stopped >= 20
    again = told.submit_train("gru", "notes", "long", LONG)
    wait_until(told, again.job, lambda found: run_of(found) == job.job)  # it goes on with the run
    wait_until(told, again.job, lambda found: steps(found) > stopped + 10)
    told.cancel(again.job)
    assert told.plan_model("gru", "notes", "long", LONG).begin >= stopped
    assert told.plan_model("gru", "notes", "long", TEXTS, restart=True).begin == 0
    points = told.run(job.job).points
    assert [p.step for p in points] == sorted({p.step for p in points})
    assert points[-1].step > stopped
    with pytest.raises(InvalidArgument, match="the same data and settings"):
        told.train_model("gru", "notes", "long", TEXTS)
    assert told.train_model("gru", "notes", "long", TEXTS, restart=True).steps == 30


def test_a_cancelled_training_is_tried_again(told: Client) -> None:
    job = told.submit_train("gru", "notes", "retried", SOME)
    wait_until(told, job.job, lambda info: steps(info) > 20)
    told.cancel(job.job)
    info = told.retry(job.job)
    assert info.state == "done"
    assert told.model("retried").steps == SOME["steps"]
    assert told.model("retried").run == job.job


def test_a_server_that_ends_goes_on_when_it_is_back(
    learning: Workspace, encoder: TextEncoder
) -> None:
    second = learning.path.parent / "second"
    with ragstone.open(second, create=True, encoder=encoder, jobs={"workers": 1}) as ws:
        ws.ingest([learning.path.parent / "notes"], "notes")
        with running(ws) as address, connect(address.url, address.token) as client:
            job = client.submit_train("gru", "notes", "cut", SOME)
            wait_until(client, job.job, lambda info: steps(info) > 20)
        assert ws.job(job.job).state == "interrupted"
        (run,) = ws.runs()
        assert run.state == "stopped"
        with running(ws) as address, connect(address.url, address.token) as client:
            assert client.trained(job.job).steps == SOME["steps"]
        points = ws.run(job.job).points
        assert [p.step for p in points] == sorted({p.step for p in points})


def test_nothing_else_waits_for_a_training(told: Client, tmp_path: Path) -> None:
    job = told.submit_train("gru", "notes", "beside", LONG)
    wait_until(told, job.job, lambda info: steps(info) > 0)
    (tmp_path / "marl.txt").write_text("Marl is a stone too.")
    assert told.ingest(tmp_path, "marl").items.added == 1
    assert told.job(job.job).state == "running"


def test_what_cannot_work_is_refused_before_there_is_a_job(told: Client) -> None:
    before = told.jobs()
    with pytest.raises(UnknownDataset):
        told.submit_train("gru", "nothing")
    with pytest.raises(InvalidArgument, match="family"):
        told.submit_train("gruel", "notes")
    with pytest.raises(InvalidArgument, match="setting"):
        told.submit_train("gru", "notes", settings={"lr": 1})
    with pytest.raises(InvalidArgument, match="small letters"):
        told.submit_train("gru", "notes", "A/B")
    assert told.jobs() == before
    with pytest.raises(InvalidArgument, match="items of this kind"):
        told.train_model("vae", "notes", "pictures")  # only the process can tell


def test_one_name_is_trained_once_at_a_time(told: Client, learning: Workspace) -> None:
    with Registry(learning.path / "models").training("busy"):
        with pytest.raises(ModelBusy):
            told.submit_train("gru", "notes", "busy", TEXTS, restart=True)
        with pytest.raises(ModelBusy, match="'busy'"):
            told.train_model("gru", "notes", "busy", TEXTS)
    assert told.train_model("gru", "notes", "busy", TEXTS).number == 1


def test_a_plan_trains_nothing(told: Client) -> None:
    runs = told.runs()
    plan = told.plan_model("gru", "notes", "planned", {**TEXTS, "steps": 500})
    assert (plan.begin, plan.steps) == (0, 500)
    assert plan.seconds > 0
    assert plan.parameters > 0
    assert told.runs() == runs
    with pytest.raises(UnknownModel):
        told.model("planned")


def test_families_say_what_can_be_set(told: Client) -> None:
    known = {family.name: family for family in told.families()}
    settings = {setting.name: setting for setting in known["vae"].settings}
    assert known["vae"].material == "images"
    assert (settings["steps"].part, settings["steps"].kind) == ("trainer", "int")
    assert settings["optimiser"].default == "adamw"  # of the family, not of the trainer
    assert settings["label"].part == "data"
    assert "channels" not in settings  # the data decide


def test_images_are_made_sent_and_kept(told: Client, learning: Workspace) -> None:
    made = told.train_model("vae", "squares", "vae", IMAGES)
    assert told.offer("vae").labels == ["left", "right"]
    assert {"sample", "reconstruct", "interpolate"} <= set(told.offer("vae").tasks)
    assert not told.offer("vae").prompt
    sample = told.sample("vae", conditions={"label": "left"}, count=4, sampler={"seed": 3})
    assert sample == learning.sample(
        "vae", conditions={"label": "left"}, count=4, sampler=ragstone_sampler(3)
    )
    assert Image.open(io.BytesIO(sample.media)).size[0] > 8
    assert sample.pieces == []
    single = told.sample("vae", count=3, each=True).pieces
    assert [Image.open(io.BytesIO(one)).size for one in single] == [(8, 8)] * 3
    assert told.sample("vae", count=3).media == told.sample("vae", count=3, each=True).media
    items = [item.item_id for item in told.items("squares", limit=2)]
    bytes_of = told.original(items[1]).content
    between = told.sample("vae", task="interpolate", images=[items[0], bytes_of], steps=3)
    assert between.media == learning.sample("vae", task="interpolate", images=items, steps=3).media
    kept = told.sample("vae", count=2, ingest="squares", message="two more")
    assert kept.ingested is not None
    assert kept.ingested.items.added == 2
    assert told.log("squares")[0].synthetic == 2
    assert told.evaluate_model("vae", f"squares@{made.data.version}", samples=4).loss > 0
    oddest = told.anomalies("squares@1", "vae", limit=3)
    assert [one.item_id for one in oddest] == [
        one.item_id for one in learning.anomalies("squares@1", "vae", limit=3)
    ]
    assert told.copying("vae").model == "vae@1"
    assert told.licences("model:vae").missing == 40
    assert told.bias("squares@1", ["side"]).spreads[0].evenness == pytest.approx(1)
    folder = learning.path.parent / "exported"
    assert told.export_model("vae", folder) == folder
    assert (folder / "model.safetensors").is_file()


def test_no_file_of_the_server_is_read_by_its_name(told: Client, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    Image.new("L", (8, 8)).save(secret, "PNG")
    if not any(info.name == "vae" for info in told.models()):
        told.train_model("vae", "squares", "vae", IMAGES)
    body = {"task": "reconstruct", "images": [{"id": str(secret)}]}
    with pytest.raises(UnknownId):
        told._http.post("/registry/models/vae/sample", httpx.Response, body)


def ragstone_sampler(seed: int) -> object:
    from ragstone.models.sampling import Sampler

    return Sampler(seed=seed)
