"""What Ragstone says about itself: its docstrings as Markdown, and its documentation if at hand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

WINGS = ("schemas", "storage", "ingestion", "ui")  # elsewhere, in an editable installation
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs")

_Described = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def own_texts(folder: Path) -> list[Path]:
    """Write the docstrings of each module into `folder`; return it with the documentation.

    The documentation is there in a checkout, and missing from an installed wheel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in modules():
        text = docstrings(name, path.read_text(encoding="utf-8"))
        if text:
            (folder / f"{name}.md").write_text(text, encoding="utf-8")
    checkout = _root().parent.parent
    pages = [checkout / name for name in PAGES if (checkout / "pyproject.toml").is_file()]
    return [folder, *(page for page in pages if page.exists())]


def modules() -> Iterator[tuple[str, Path]]:
    """Yield name and file of each module of Ragstone but those of the demonstration itself."""
    seen: set[Path] = set()
    for package, root in _packages():
        for path in sorted(root.rglob("*.py")):
            below = path.relative_to(root).with_suffix("").parts
            name = ".".join((package, *below)).removesuffix(".__init__")
            if path not in seen and not path.stem.startswith("demo"):
                seen.add(path)
                yield name, path


def _packages() -> Iterator[tuple[str, Path]]:
    yield "ragstone", _root()
    for wing in WINGS:
        spec = find_spec(f"ragstone.{wing}")  # looks without importing
        places = spec.submodule_search_locations if spec else None
        for place in places or ():
            yield f"ragstone.{wing}", Path(place)


def _root() -> Path:
    return Path(__file__).parent.parent


def docstrings(name: str, source: str) -> str:
    """Return the docstrings of a module as Markdown, empty if it has none.

    Headings are the module, its classes, and what is public in them.
    """
    tree = ast.parse(source)
    parts = list(_sections(tree, name, 1))
    return "\n\n".join(parts) + "\n" if parts else ""


def _sections(node: ast.Module | _Described, name: str, level: int) -> Iterator[str]:
    described = ast.get_docstring(node)
    if described:
        yield f"{'#' * level} {name}\n\n{described}"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    for child in node.body:
        if isinstance(child, _Described) and not child.name.startswith("_"):
            inner = f"{name}.{child.name}" if level > 1 else child.name
            yield from _sections(child, inner, level + 1)
