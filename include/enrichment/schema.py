"""What a model may say about a document, checked: anything else is refused with a reason. Pure."""

from __future__ import annotations

import datetime
import json
import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

FIELDS = (
    ("title", "its title, as a text"),
    ("authors", "the persons or bodies that wrote it, as a list of texts"),
    ("date", "the day it is from, as YYYY-MM-DD"),
    ("language", "the language it is written in, as its ISO 639-1 code of two letters"),
    ("topics", "what it is about, as a list of at most 8 short texts in lower case"),
    (
        "entities",
        "persons, organisations, products and places in it, as a list of at most 20 texts",
    ),
    ("summary", "two sentences that say what it holds, as a text"),
    ("quality", "how complete and well written it is, as a number from 0 to 1"),
)
_FENCED = re.compile(r"^```[a-z]*\s*(.*?)\s*```$", re.DOTALL)
_Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Described(BaseModel):
    """A document in a few fields; `confidence` is the model's own, in all of them."""

    model_config = ConfigDict(extra="ignore", strict=True)

    title: _Short | None = None
    authors: list[_Short] | None = Field(None, max_length=50)
    date: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")] | None = None
    topics: list[_Short] | None = Field(None, max_length=20)
    entities: list[_Short] | None = Field(None, max_length=50)
    summary: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_500)] | None = (
        None
    )
    quality: float | None = Field(None, ge=0, le=1)
    confidence: float = Field(ge=0, le=1)

    def values(self) -> dict[str, Any]:
        """What was filled in, without the confidence."""
        said = self.model_dump(exclude={"confidence"})
        return {name: value for name, value in said.items() if value not in (None, "", [])}


def read(reply: str) -> Described:
    """The model's JSON object; ValueError says, without quoting it, what is wrong with it."""
    text = reply.strip()
    fenced = _FENCED.match(text)
    try:
        raw = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        raise ValueError("malformed: the reply is not JSON") from None
    if not isinstance(raw, dict):
        raise ValueError("malformed: the reply is not a JSON object")
    try:
        found = Described.model_validate(raw)
        if found.date:
            datetime.date.fromisoformat(found.date)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"invalid: {place}: {first['msg']}") from None
    except ValueError:
        raise ValueError("invalid: date: there is no such day") from None
    return found
