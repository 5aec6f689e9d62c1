"""What people are shown of documents: as it is, and never as Markdown."""

from __future__ import annotations

import json
from urllib.parse import quote

from include.orchestration.enrichment import _question
from include.orchestration.review import fenced, plain

NAME = "a`\n![x](http://evil/?q=1)`.txt"


def test_a_file_name_and_a_description_cannot_leave_their_place_in_a_question():
    values = json.dumps({"summary": "```\n![x](http://evil/)"})
    row = {"uri": f"file:///in/{quote(NAME)}", "model": "m", "confidence": 0.4, "values": values}
    body = _question(row)["body"]
    place, fields = body.splitlines()[0], body.split("```")
    assert place.startswith("`file:///in/a' ![x](http://evil/?q=1)'.txt`, described")
    assert len(fields) == 3


def test_what_is_fenced_cannot_end_its_fence():
    assert fenced("a\n```\nb").count("```") == 2
    assert plain("a`b\n\u202ec") == "a'b  c"
