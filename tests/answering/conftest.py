"""The stand-in API, platforms that talk to it and a small lake, as for tests/spending."""

from tests.spending.conftest import api, connected, filled, lake, server

__all__ = ["api", "connected", "filled", "lake", "server"]
