"""The stand-in API and platforms that talk to it, as for tests/spending."""

from tests.spending.conftest import api, connected, server

__all__ = ["api", "connected", "server"]
