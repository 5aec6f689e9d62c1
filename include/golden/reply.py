"""What a model may reply when it is asked for questions: anything else is refused with a reason. Pure."""

from __future__ import annotations

import json
import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

_FENCED = re.compile(r"^```[a-z]*\s*(.*?)\s*```$", re.DOTALL)
_Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]


class Asked(BaseModel):
    """One question, and the words of the passage that answer it."""

    model_config = ConfigDict(extra="ignore", strict=True)

    question: _Said
    answer: _Said


class Reply(BaseModel):
    """All questions of a reply; none is a reply, too: a passage may not give any."""

    model_config = ConfigDict(extra="ignore", strict=True)

    questions: list[Asked] = Field(max_length=20)


def read(reply: str) -> list[Asked]:
    """The questions; ValueError says, without quoting it, what is wrong with the reply."""
    text = reply.strip()
    fenced = _FENCED.match(text)
    try:
        raw = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        raise ValueError("malformed: the reply is not JSON") from None
    try:
        return Reply.model_validate(raw).questions
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the reply"
        raise ValueError(f"invalid: {place}: {first['msg']}") from None
