"""The routes as one page for people, made here from the OpenAPI document.

The usual pages load their scripts from elsewhere: they stay empty without a network, and run a
stranger's code beside whatever key is typed into them. This one has no script.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, Template
from markupsafe import Markup, escape

Json = dict[str, Any]


def page(openapi: Json) -> str:
    """The page of an OpenAPI document."""
    operations = [
        {
            "method": method.upper(),
            "path": path,
            "summary": operation.get("summary", ""),
            "description": operation.get("description", ""),
            "fields": _fields(openapi, operation.get("requestBody", {})),
            "answers": _fields(openapi, operation["responses"]["200"]),
            "refusals": [
                (status, told["description"])
                for status, told in sorted(operation["responses"].items())
                if status.isdigit() and status != "200"
            ],
        }
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    return _template().render(info=openapi["info"], operations=operations)


@cache
def _template() -> Template:
    text = (Path(__file__).parent / "page.html.jinja").read_text(encoding="utf-8")
    made = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters["coded"] = _coded
    return made.from_string(text)


def _coded(text: str) -> Markup:
    """What stands between backticks as code, all of it escaped."""
    parts = [
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(text.split("`"))
    ]
    return Markup().join(parts)


def _fields(openapi: Json, body: Json) -> list[Json]:
    """The fields of a body: name, type, default, what it is."""
    content = body.get("content", {}).get("application/json", {})
    schema = _resolved(openapi, content.get("schema", {}))
    required = schema.get("required", ())
    return [
        {
            "name": name,
            "type": _type(openapi, field),
            "default": "required" if name in required else _default(field),
            "description": field.get("description", ""),
        }
        for name, field in sorted(
            schema.get("properties", {}).items(), key=lambda each: each[0] not in required
        )
    ]


def _resolved(openapi: Json, schema: Json) -> Json:
    reference = schema.get("$ref", "")
    found: Json = openapi["components"]["schemas"].get(reference.rpartition("/")[2], schema)
    return found


def _type(openapi: Json, field: Json) -> str:
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    if "const" in field:
        return str(field["const"])
    if "anyOf" in field:
        kinds = [_type(openapi, each) for each in field["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if field.get("type") == "array":
        return f"list of {_type(openapi, field.get('items', {}))}"
    return str(field.get("type") or _resolved(openapi, field).get("title", "object"))


def _default(field: Json) -> str:
    return json.dumps(field["default"]) if field.get("default") is not None else ""
