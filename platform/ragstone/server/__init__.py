"""The HTTP API."""

from ragstone.server.app import create_app
from ragstone.server.run import running, serve

__all__ = ["create_app", "running", "serve"]
