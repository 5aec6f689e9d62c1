"""Badges: pictures of a build's or a package's state, which say nothing about the subject."""

from __future__ import annotations

import re

_BADGE = re.compile(
    r"shields\.io|badge|travis-ci|codecov\.io|coveralls\.io|pepy\.tech|circleci\.com|appveyor|"
    r"readthedocs\.org/projects/[^/]+/|pypip\.in|fury\.io|app\.codacy|snyk\.io/test|gitter\.im|"
    r"zenodo\.org/.*\.svg|komarev\.com|workflows/[^)]*\.svg",
    re.IGNORECASE,
)


def is_badge(image_uri: str) -> bool:
    """Whether the picture comes from a place that serves badges."""
    return _BADGE.search(image_uri) is not None
