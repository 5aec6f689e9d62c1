"""What the platform asks for prompts: a name and a version in, messages out, the use on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from include.errors import ConfigurationError
from include.prompts.catalogue import Catalogue, parse
from include.prompts.entries import NAME, PRODUCTION, Version
from include.prompts.records import Objects, Records
from include.prompts.rendered import RenderedPrompt
from include.prompts.rendering import Value, render
from include.prompts.splits import assigned


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of a prompt, ready to be filled in. `label` is "" where a version was named."""

    name: str
    label: str
    version: Version

    def render(self, values: Mapping[str, Value]) -> RenderedPrompt:
        """The messages with these values, which are exactly the declared variables.

        Raises ConfigurationError for a missing or undeclared value, and as `rendering.render`.
        """
        declared = self.version.variables
        missing = [name for name in declared if name not in values]
        extra = [name for name in values if name not in declared]
        if missing or extra:
            wrong = f"lacks {missing[0]!r}" if missing else f"does not declare {extra[0]!r}"
            raise ConfigurationError(
                f"The prompt {self.name!r}, version {self.version.version!r}, {wrong}; it takes "
                f"{', '.join(declared) or 'no values'}."
            )
        text = self.version.text
        system, user = render(text, values)
        return RenderedPrompt(
            self.name, self.version.version, text.hash, self.label, system=system, user=user
        )


class Prompts:
    """The prompts of a deployment.

    The Variable is asked for anew each time, so that an edit in the Airflow UI counts from the next
    request on.
    """

    def __init__(
        self,
        variable: Callable[[], str | None],
        objects: Objects,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._variable = variable
        self._now = now
        self.records = Records(objects)
        self._parsed: tuple[str | None, Catalogue] | None = None
        self._used: set[tuple[str, str, str]] = set()

    @property
    def catalogue(self) -> Catalogue:
        """Everything that can be asked for now."""
        text = self._variable()
        if self._parsed is None or self._parsed[0] != text:
            self._parsed = (text, parse(text))
        return self._parsed[1]

    def find(self, name: str, wanted: str | None = None, *, subject: str | None = None) -> Prompt:
        """A prompt for looking at: the same choice as `get`, with nothing put on record."""
        entry = self.catalogue.get(name)
        if wanted is None and subject is not None and entry.split:
            wanted = assigned(name, entry.split, subject)
        wanted = wanted or PRODUCTION
        if entry.find(wanted) is None and (known := self._recorded(name, wanted)):
            return Prompt(name, "", known)
        return Prompt(name, wanted if wanted not in entry.versions else "", entry.get(wanted))

    def get(self, name: str, wanted: str | None = None, *, subject: str | None = None) -> Prompt:
        """A prompt for use: `wanted` is a version, a label or `latest`.

        A version may be one that only the lake still has. Without `wanted` it is the label that the split assigns to the subject, where there are both,
        else `production`. The first use of a version puts its text on record in the lake. Raises
        ConfigurationError for what cannot be had, and, with the difference, for a version that was
        used with another text.
        """
        prompt = self.find(name, wanted, subject=subject)
        use = (name, prompt.version.version, prompt.version.text.hash)
        if use not in self._used:
            self.records.use(name, prompt.version, self._now())
            self._used.add(use)
        return prompt

    def _recorded(self, name: str, version: str) -> Version | None:
        """A version that is only on record: the Variable has it no longer."""
        known = self.records.get(name, version) if NAME.fullmatch(version) else None
        return Version(known.version, known.text, known.variables) if known else None
