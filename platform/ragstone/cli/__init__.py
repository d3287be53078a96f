"""The command line: `ragstone VERB …`. Each verb is one call of a `Workspace` method.

Importing this package costs milliseconds: whatever is heavy is imported inside the verb that needs
it, and a test holds us to that.
"""

from __future__ import annotations

import sys
from typing import TextIO


def main() -> None:
    """Run the command line with the arguments of this process, and exit with its status."""
    from ragstone.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        _never_fail_on_odd_names(stream)
    app(prog_name="ragstone")


def _never_fail_on_odd_names(stream: TextIO) -> None:
    # A file name that is not UTF-8 reaches us with lone surrogates, which no encoding can print.
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
