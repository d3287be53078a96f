"""Families compared: trained for the same time, measured alike, told in one report."""

from __future__ import annotations

import base64
import io
import json
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ragstone.cli.app import app
from ragstone.errors import InvalidArgument, UnknownModel
from ragstone.evaluation.charts import Series, chart
from ragstone.evaluation.contest_report import _html, _markdown
from ragstone.evaluation.sheets import block, side_by_side
from ragstone.schemas.models import Contestant, FamilyComparison
from ragstone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")

EVIL = "<script>alert(1)</script>|*"  # a label
QUICK = {
    "label": "side",
    "batch": 16,
    "warmup": 5,
    "classifier.width": 8,
    "classifier.steps": 60,
    "vae.width": 8,
    "vae.halvings": 1,
    "vae.evaluate_every": 5,
    "gan.width": 16,
    "wgan_gp.width": 8,
}


@pytest.fixture
def squares(workspace: Workspace, tmp_path: Path) -> Workspace:
    """60 grey images, half of them light at the left, half at the right."""
    chance = np.random.default_rng(0)
    rows = []
    (tmp_path / "files").mkdir()
    for number in range(60):
        image = chance.integers(0, 40, (8, 8)).astype(np.uint8)
        side = number % 2
        image[:, side * 4 : side * 4 + 4] += 180
        Image.fromarray(image).save(tmp_path / "files" / f"{number:02}.png")
        rows.append({"file_name": f"{number:02}.png", "side": [EVIL, "right"][side]})
    (tmp_path / "files" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    workspace.ingest([tmp_path / "files"], "squares")
    return workspace


def test_families_are_trained_measured_and_told(squares: Workspace, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    out = tmp_path / "out"

    def compare(*families: str) -> FamilyComparison:
        return squares.compare_models(
            families,
            "squares",
            out,
            minutes=0.01,
            samples=100,
            settings=QUICK,
            on_family=lambda *what: told.append(what),
        )

    found = compare("vae", "gan")
    assert told == [("classifier", 1, 3), ("vae", 2, 3), ("gan", 3, 3)]
    assert (found.data, found.extractor) == ("squares@1", "squares-classifier@1")
    eye = squares.model(found.extractor)
    for one in found.contestants:
        assert one.model is not None
        assert one.measures is not None
        assert one.model.training["minutes"] == 0.01
        assert 1 <= one.model.steps < 10_000
        assert one.measures.measures[f"FD-{eye.digest[:8]}"] > 0
    names = sorted(f"{info.name}@{info.number}" for info in squares.models())
    assert names == ["squares-0.01m-gan@1", "squares-0.01m-vae@1", "squares-classifier@1"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<td>vae</td>" in page
    assert f"<th>FD-{eye.digest[:8]}</th>" in page
    check_page(page)
    check_markdown(out)
    # What is done stays done.
    assert compare("vae", "gan") == found
    assert len(squares.models()) == 3
    assert (out / "report.html").read_text(encoding="utf-8") == page
    compare("vae", "gan", "wgan_gp")
    families = sorted({info.family for info in squares.models()})
    assert families == ["classifier", "gan", "vae", "wgan_gp"]
    assert len(squares.models()) == 4
    assert "<td>wgan_gp</td>" in (out / "report.html").read_text(encoding="utf-8")


def check_page(page: str) -> None:
    """It needs no other file, runs nothing, and shows the pictures."""
    addresses = set(re.findall(r"[a-z]+://[^\"'\s<>]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of SVG, which nothing fetches
    assert "<script" not in page
    assert "default-src 'none'" in page
    (found,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    picture = Image.open(io.BytesIO(base64.b64decode(found)))
    assert picture.size[0] > 2 * 10 * 28
    for drawn in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ET.fromstring(drawn)  # noqa: S314 - written here
    for name in ("vae", "gan"):
        assert f">{name}</text>" in page


def check_markdown(out: Path) -> None:
    text = (out / "report.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)
    assert {"samples.png", "loss-vae.svg", "loss-gan.svg"} <= set(pictures)
    assert all((out / name).is_file() for name in pictures)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({row.count(" | ") for row in rows}) == 1  # as many cells in each
    assert rows[-1].startswith("| real, held out")


def test_what_comes_from_outside_is_escaped(tmp_path: Path) -> None:
    out = tmp_path / "out"
    broken = FamilyComparison(
        EVIL, 1.0, 10, 0, EVIL, [Contestant(EVIL, None, None, EVIL)], str(out)
    )
    page, text = _html(broken, []), _markdown(broken, [])
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<script" not in text.replace("\\<", "")
    assert all(sign == "\\" for sign in re.findall(r"(.)<", text))
    drawn = chart(EVIL, [Series(EVIL, [(1, 1)], marked=True)], EVIL, EVIL, log=(False, False))
    assert "<script" not in drawn
    ET.fromstring(drawn)  # noqa: S314 - written here


def test_a_family_that_diverges_does_not_stop_the_others(
    squares: Workspace, tmp_path: Path
) -> None:
    """Through the command, which says so too."""
    words = ["compare", "vae,gan", "--dataset", "squares", "--minutes", "0.01", "--samples", "10"]
    words += ["--out", str(tmp_path / "out"), "--workspace", str(squares.path)]
    for name, value in {**QUICK, "vae.learning_rate": 1e30, "vae.clip": 0.0}.items():
        words += ["--set", f"{name}={value}"]
    squares.close()
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output
    assert "3 of 3: gan" in shown.stdout
    assert "vae: " in shown.stdout
    assert "report.html" in shown.stdout
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    first, second = found["contestants"]
    assert first["model"] is None
    assert "finite" in first["problem"] or "diverged" in first["problem"]
    assert second["measures"]["samples"] == 10
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert f"vae: {first['problem'][:20]}" in page


WRONG: list[tuple[list[str], dict[str, Any], str]] = [
    (["vae", "vae"], {}, "each once"),
    ([], {}, "each once"),
    (["gpt"], {}, "makes images"),
    (["ae"], {}, "makes images"),
    (["vea"], {}, "one of gpt"),
    (["vae"], {"minutes": 0.0}, "more than 0"),
    (["vae"], {"samples": 0}, "at least 1"),
    (["vae"], {"settings": {"latent_size": 3}}, "one of"),
    (["vae"], {"settings": {"gam.width": 3}}, "one of gpt"),
    (["vae"], {"extractor": "nobody"}, "nobody"),
    (["vae"], {"settings": {"label": "colour"}}, "side"),
]


def test_what_cannot_be_compared_is_told_before_anything_is_trained(
    squares: Workspace, tmp_path: Path
) -> None:
    for families, asked, problem in WRONG:
        with pytest.raises((InvalidArgument, UnknownModel), match=problem):
            squares.compare_models(families, "squares", tmp_path / "out", **asked)
    assert squares.runs() == []


def test_charts_put_points_where_they_belong() -> None:
    drawn = chart(
        "A", [Series("a", [(1, 10), (100, 1000)], marked=True)], "x", "y", log=(True, True)
    )
    circles = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawn)
    (x, y), (to_x, to_y) = [(float(x), float(y)) for x, y in circles]
    assert x < to_x
    assert y > to_y  # up is more
    labels = re.findall(r">([\d,.]+)</text>", drawn)
    assert {"1", "10", "100", "1,000"} <= set(labels)
    bad = [(1.0, 0.0), (2.0, math.nan), (3.0, -1.0)]
    assert chart("A", [Series("a", bad)], "x", "y", log=(False, True)) == ""
    one = chart("A", [Series("a", [(2, 3)], marked=True)], "x", "y", log=(False, False))
    assert one.count("<circle") == 1
    many = chart("A", [Series("a", [(n, n) for n in range(5_000)])], "x", "y", log=(False, False))
    assert len(many) < 10_000


def test_sheets_show_each_image_in_its_place() -> None:
    images = np.zeros((6, 1, 8, 8), np.uint8)
    images[4] = 200
    sheet = np.asarray(block(images, 3))
    assert sheet.shape == (2 * 34 - 2, 3 * 34 - 2, 3)  # eight pixels are shown as 32
    assert sheet[34 + 5, 34 + 5, 0] == 200
    assert sheet[5, 5, 0] == 0
    both = side_by_side(
        {"one": block(images, 3), "two": block(images, 3), "three": block(images, 3)}
    )
    assert both.size == (2 * (100 + 12), 2 * (66 + 26))
