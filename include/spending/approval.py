"""What limits say of a plan, and what a person is asked above `approval_usd`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import unquote

from include.errors import ApprovalError
from include.settings import Budgets


@dataclass(frozen=True, slots=True)
class Largest:
    """One of the documents that cost most: what is to be embedded of it."""

    uri: str
    texts: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Work:
    """How a kind of paid work is spoken of: what money buys, and what yes and no mean."""

    bought: str
    tokens: str
    cost: str
    approved: str
    rejected: str


EMBEDDING = Work(
    bought="embeddings",
    tokens="tokens to embed",
    cost="estimated cost",
    approved="embeds and publishes",
    rejected="nothing is embedded or published, what is searchable stays",
)
DESCRIBING = Work(
    bought="descriptions",
    tokens="tokens to send, at most",
    cost="cost, at most",
    approved="asks the models",
    rejected="nothing is asked, and what is described already stays",
)
ANSWERING = Work(
    bought="answers",
    tokens="tokens to send, at most",
    cost="cost, at most",
    approved="asks the questions",
    rejected="nothing is asked, and answers that there are stay",
)

JUDGING = Work(
    bought="answers and verdicts",
    tokens="tokens to send, at most",
    cost="cost, at most",
    approved="asks the questions and the judge",
    rejected="nothing is asked",
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a run is about to pay for: counts by name, what it costs, where most of it goes.

    `spent_today` is what the day has cost already.
    """

    model: str
    counts: Mapping[str, int]
    tokens: int
    cost_usd: Decimal
    largest: Sequence[Largest]
    spent_today: Decimal
    work: Work = EMBEDDING


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the limits of `rag_budgets` say of a plan; `stopped_by` are budgets that it exceeds."""

    approval_usd: Decimal | None
    needs_approval: bool
    stopped_by: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Its parts by name; amounts as plain decimal strings."""
        limit = self.approval_usd
        return {
            "approval_usd": None if limit is None else f"{limit:f}",
            "needs_approval": self.needs_approval,
            "stopped_by": list(self.stopped_by),
        }


def verdict(cost_usd: Decimal, budgets: Budgets, spent_today: Decimal) -> Verdict:
    """What happens to a run that costs so much on a day that has cost so much already."""
    limit = budgets.approval_usd
    return Verdict(
        approval_usd=limit,
        needs_approval=limit is not None and cost_usd > limit,
        stopped_by=tuple(name for name, *_ in _exceeded(cost_usd, budgets, spent_today)),
    )


def require_approval(cost_usd: Decimal, budgets: Budgets, *, what: str, spared: str) -> None:
    """Raises ApprovalError when so much is more than a run may spend unasked.

    `what` begins the message, as "Embedding 90 tokens costs"; `spared` says what did not happen.
    """
    limit = budgets.approval_usd
    if limit is not None and cost_usd > limit:
        raise ApprovalError(
            f"{what} {cost_usd:f} USD; without approval a run may spend "
            f"{limit:f} (approval_usd of Variable rag_budgets). {spared} "
            f"Approve it with --approve-usd {cost_usd:f}, or in Airflow, where the Dag asks."
        )


def require_rest(
    spent_usd: Decimal, rest_usd: Decimal, *, approved_usd: Decimal, budgets: Budgets
) -> None:
    """Raises ApprovalError when single calls for what batches left exceed what a run may spend.

    `approved_usd` is what the batches were to cost, which a person has seen where one was asked.
    """
    limit = budgets.approval_usd
    if limit is not None and rest_usd and spent_usd + rest_usd > max(limit, approved_usd):
        raise ApprovalError(
            f"Batches cost {spent_usd:f} USD and left texts that cost {rest_usd:f} USD by single "
            f"calls, together more than was approved ({max(limit, approved_usd):f} USD). What they "
            f"embedded is kept. Run it again, with batches or without: it asks for what is left."
        )


def subject(proposal: Proposal) -> str:
    """The question in one line."""
    return f"Spend ${proposal.cost_usd:f} on {proposal.work.bought} by {proposal.model}?"


def body(proposal: Proposal, budgets: Budgets) -> str:
    """The plan in Markdown. Names of documents are shown as they are, never as Markdown."""
    work = proposal.work
    rows = [f"| {name} | {count:,} |" for name, count in proposal.counts.items() if count]
    unasked = budgets.approval_usd
    parts = [
        "| the plan | |\n|---|---:|",
        *rows,
        f"| {work.tokens} | {proposal.tokens:,} |",
        f"| **{work.cost}** | **${proposal.cost_usd:f}** |",
        f"| spent today | ${proposal.spent_today:f} |",
        *([f"| a run may spend unasked | ${unasked:f} |"] if unasked is not None else []),
        "",
        *_warnings(proposal, budgets),
        *_largest(proposal.largest),
        f"**Approve** {work.approved}. **Reject** leaves everything as it is: {work.rejected}, "
        "and the next run asks again. Without an answer within a day it is rejected.",
    ]
    return "\n".join(parts)


def _largest(documents: Sequence[Largest]) -> list[str]:
    if not documents:
        return []
    return [
        "| the largest documents | texts | tokens |\n|---|---:|---:|",
        *(f"| `{_name(e.uri)}` | {e.texts:,} | {e.tokens:,} |" for e in documents),
        "",
    ]


def _warnings(proposal: Proposal, budgets: Budgets) -> list[str]:
    return [
        f"The budget of the {period} is ${limit:f}: the run would stop there, keep what it paid "
        f"for, and a later one would go on.\n"
        for _, period, limit in _exceeded(proposal.cost_usd, budgets, proposal.spent_today)
    ]


def _exceeded(
    cost_usd: Decimal, budgets: Budgets, spent_today: Decimal
) -> list[tuple[str, str, Decimal]]:
    """Name, period and limit of the budgets that such a run would reach."""
    limits = (
        ("daily_usd", "day", budgets.daily_usd, spent_today),
        ("run_usd", "run", budgets.run_usd, Decimal(0)),
    )
    return [
        (name, period, limit)
        for name, period, limit, spent in limits
        if limit is not None and spent + cost_usd > limit
    ]


def _name(uri: str) -> str:
    """A uri inside a code span inside a table; what could end either is replaced."""
    shown = "".join(c if c.isprintable() else " " for c in unquote(uri))
    return shown.replace("`", "'").replace("|", "¦")
