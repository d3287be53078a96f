"""The Streamlit process: `python -m ragstone.ui.process PORT`, started by `launch`.

Its settings are arguments, not a file, so that they hold wherever the package is installed; they
win over a `config.toml` of the person's own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

HOSTS = ("127.0.0.1", "localhost")  # no other name in a Host header: against DNS rebinding
LIGHT = {
    "primaryColor": "#0072b2",
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f5f6f7",
    "textColor": "#1f2933",
    "borderColor": "#dfe3e8",
    "linkColor": "#0072b2",
}
DARK = {
    "primaryColor": "#56b4e9",
    "backgroundColor": "#14181d",
    "secondaryBackgroundColor": "#1d232a",
    "textColor": "#e4e7eb",
    "borderColor": "#323b45",
    "linkColor": "#56b4e9",
}


def options(port: int) -> list[str]:
    """Return Streamlit's settings, as arguments."""
    chosen = {
        "server.address": "127.0.0.1",
        "server.port": str(port),
        "server.headless": "true",  # the launcher opens the browser
        "server.fileWatcherType": "none",
        "server.enableStaticServing": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "theme.baseRadius": "small",
        "theme.showWidgetBorder": "true",
        "theme.headingFontSizes": json.dumps(
            ["1.75rem", "1.35rem", "1.15rem", "1rem", "1rem", "1rem"]
        ),
        "logger.level": "warning",
        "logger.hideWelcomeMessage": "true",
    }
    for name, colours in (("light", LIGHT), ("dark", DARK)):
        chosen |= {f"theme.{name}.{key}": value for key, value in colours.items()}
    hosts = [f"--server.allowedHosts={host}" for host in HOSTS]
    return [*(f"--{name}={value}" for name, value in chosen.items()), *hosts]


def main(port: int) -> None:
    """Run Streamlit on the loopback address until it is told to end, or its parent is gone."""
    from streamlit.web import cli

    threading.Thread(target=_end_with_parent, daemon=True).start()
    script = Path(__file__).with_name("app.py")
    cli.main(["run", str(script), *options(port)], standalone_mode=False)


def _end_with_parent() -> None:
    """Wait for the end of stdin, which the parent holds open for as long as it lives."""
    # Not through sys.stdin: its lock, held here, would make the interpreter's own end fail.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(int(sys.argv[1]))
