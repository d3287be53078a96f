"""Uploads over HTTP: streamed to the workspace, read by a job, refused when they are wrong."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import pytest
from ulid import ULID

import ragstone
from ragstone import overview
from ragstone.client import Client, connect
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument, JobConflict, UnknownSource, UploadTooLarge
from ragstone.jobs.records import Records
from ragstone.schemas.api import to_json
from ragstone.server.run import running
from ragstone.workspace import Workspace


def test_a_body_becomes_a_file(http: httpx.Client, owned: Workspace) -> None:
    upload = str(ULID())
    body = b"Slate" * 1_000_000  # in more than one piece
    answer = http.put(f"/uploads/{upload}/roof%2Fslate.txt", content=body)
    assert answer.status_code == 201
    assert answer.json() == {
        "upload": upload,
        "name": "roof/slate.txt",
        "size": len(body),
        "source": f"upload:{upload}/roof/slate.txt",
    }
    assert (owned.path / "uploads" / upload / "roof" / "slate.txt").read_bytes() == body


@pytest.mark.parametrize(
    "name", ["..%2F..%2Fowner.json", "%2Fetc%2Fpasswd", "a%00b", "%2E%2E", "..%5Cx", "CON", ""]
)
def test_hostile_names_stay_in_their_folder(
    http: httpx.Client, owned: Workspace, name: str
) -> None:
    upload = str(ULID())
    kept = http.put(f"/uploads/{upload}/{name}", content=b"hostile").json()["name"]
    folder = owned.path / "uploads" / upload
    (only,) = [path for path in folder.rglob("*") if path.is_file()]
    assert only == folder / kept
    assert only.resolve().is_relative_to(folder.resolve())
    assert b"hostile" not in (owned.path / "owner.json").read_bytes()


def test_an_upload_is_a_ulid(http: httpx.Client) -> None:
    for wrong in ("blobs", "x" * 26, "%2E%2E"):
        answer = http.put(f"/uploads/{wrong}/a.md", content=b"x")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_argument")


def test_an_upload_needs_the_token(http: httpx.Client) -> None:
    answer = http.put(
        f"/uploads/{ULID()}/a.md", content=b"x", headers={"Authorization": "Bearer wrong"}
    )
    assert answer.status_code == 401


def test_the_client_uploads_and_a_job_reads(
    client: Client, owned: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "slate.md").write_text("# Slate\n\nSlate splits into plates.", encoding="utf-8")
    files = {
        "slate.md": tmp_path / "slate.md",
        "chalk/white.txt": b"Chalk is soft and white.",
        "tuff.txt": io.BytesIO(b"Tuff is volcanic ash."),
        "broken.pdf": b"%PDF-1.7 this is no document",
    }
    job = client.upload(files, "uploaded", message="four files")
    result = client.ingested(job.job)
    assert (result.items.added, result.items.quarantined) == (3, 1)
    assert {item.name for item in client.items("uploaded")} == {
        "slate.md",
        "chalk/white.txt",
        "tuff.txt",
    }
    (refused,) = client.quarantine("uploaded")
    assert refused.source == f"{job.sources[0]}/broken.pdf"
    assert owned.log("uploaded")[0].message == "four files"


def test_wrong_uploads_of_the_client(client: Client, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="at least one file"):
        client.upload({}, "uploaded")
    with pytest.raises(UnknownSource, match="nowhere"):
        client.upload({"a.md": tmp_path / "nowhere"}, "uploaded")
    with pytest.raises(InvalidArgument, match="dataset"):
        client.upload({"a.md": b"text"}, "no/name/this")
    with pytest.raises(UnknownSource, match="upload:"):
        client.submit(f"upload:{ULID()}", "uploaded")


def test_a_body_that_is_too_long(tmp_path: Path, encoder: TextEncoder) -> None:
    limit = 3 * 2**20
    with (
        ragstone.open(
            tmp_path / "small", create=True, encoder=encoder, server={"upload_bytes": limit}
        ) as small,
        running(small) as address,
        connect(address.url, address.token) as client,
    ):
        with pytest.raises(UploadTooLarge, match=r"'big\.txt' has 9,437,184 bytes"):
            client.upload({"small.txt": b"fine", "big.txt": b"x" * 3 * limit}, "stones")
        assert client.jobs() == []
        left = [path.name for path in (small.path / "uploads").rglob("*") if path.is_file()]
        assert left == ["small.txt"]


def test_the_overview(
    http: httpx.Client, client: Client, owned: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "_PATIENCE", 60.0)
    assert http.get("/overview").json() == to_json(owned.overview())
    assert client.overview() == owned.overview()


def test_jobs_come_in_pages(http: httpx.Client, client: Client, owned: Workspace) -> None:
    assert http.get("/jobs", params={"limit": 1, "offset": 1}).json() == to_json(owned.jobs()[1:2])
    assert client.jobs(limit=1) == owned.jobs()[:1]
    assert http.get("/jobs", params={"limit": 0}).status_code == 400


def test_a_job_is_tried_again_without_waiting(client: Client, owned: Workspace) -> None:
    job = client.upload({"a.md": b"Slate splits."}, "again")
    client.follow(job.job)
    with pytest.raises(JobConflict, match="done"):
        client.submit_retry(job.job)
    Records(owned._store.catalog).end(job.job, "failed")
    assert client.submit_retry(job.job).state in {"queued", "running", "done"}
    assert client.follow(job.job).state == "done"
