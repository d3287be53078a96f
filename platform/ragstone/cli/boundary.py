"""Where errors become what a person or a program reads, and an exit status.

0  done
1  error
2  the command itself is wrong (usage, or an `InvalidInput`)
3  done, but inputs were quarantined
4  measured, and not good enough (`ragstone evaluate gate`)
130  interrupted with Ctrl-C
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup
from typer.exceptions import TyperException

from ragstone.cli.output import report_error
from ragstone.errors import InvalidArgument, RagstoneError, StorageFault

QUARANTINED = 3


class CommandLine(TyperGroup):
    """The command group that turns every error raised on purpose into a message."""

    def main(
        self, args: Sequence[str] | None = None, *rest: Any, **extra: Any
    ) -> Any:  # the signature of click, seen from its callers
        """Run `args` (default: those of this process) and exit with the status."""
        words = list(sys.argv[1:] if args is None else args)
        as_json = wants_json(words)
        try:
            if not as_json:
                return super().main(words, *rest, **extra)
            status = super().main(words, *rest, **{**extra, "standalone_mode": False})
        except RagstoneError as error:
            status = _fail(error, as_json=as_json)
        except TyperException as error:  # with --json only; without it, Typer prints it and exits
            body = {
                "code": InvalidArgument.code,
                "message": error.format_message(),
                "hint": "ragstone --help lists the commands, ragstone COMMAND --help the options.",
            }
            report_error(body, as_json=True)
            status = error.exit_code
        except OSError as error:
            # The storage names the files it cares about; what is left is the system's refusal.
            status = _fail(_refused(error), as_json=as_json)
        sys.exit(status or 0)


def wants_json(words: Sequence[str]) -> bool:
    """Tell whether `--json` is among the options in `words`."""
    options = words[: words.index("--")] if "--" in words else words
    return "--json" in options


def _fail(error: RagstoneError, *, as_json: bool) -> int:
    report_error(error.as_dict(), as_json=as_json)
    return error.exit_status


def _refused(error: OSError) -> StorageFault:
    where = f"{error.filename}: " if error.filename else ""
    return StorageFault(
        f"{where}{error.strerror or error}", "Check the path, its permissions and the free space."
    )
