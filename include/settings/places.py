"""Where things are: the repository, and URIs of folders and buckets."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from include.errors import ConfigurationError

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def local(relative: str) -> str:
    """The URI of a path in the repository."""
    return (REPOSITORY / relative).as_uri()


def place(uri: str) -> Path:
    """Scheme, bucket and path as one path, to tell what lies in what."""
    parts = urlsplit(uri)
    return Path(f"/{parts.scheme}/{parts.netloc}/{unquote(parts.path).strip('/')}")


def uris(name: str, value: str, *, many: bool = False) -> tuple[str, ...]:
    """The URIs in the value; raises ConfigurationError for one that is none, or that stands twice."""
    found = tuple(uri.rstrip("/") for uri in value.split())
    if not many and len(found) != 1:
        raise ConfigurationError(f"{name} should be one URI, is {value!r}.")
    for uri in found:
        parts = urlsplit(uri)
        # Schemes in small letters, for so they are told apart wherever a URI is opened.
        absolute_file = uri.startswith("file:/") and not parts.netloc and parts.path.startswith("/")
        if not absolute_file and not (uri.startswith("s3://") and parts.netloc):
            raise ConfigurationError(
                f"{name} should be file:///absolute/path or s3://bucket/prefix, is {uri!r}."
            )
    if len(set(found)) != len(found):
        raise ConfigurationError(f"{name} names the same URI twice: {value!r}.")
    return found
