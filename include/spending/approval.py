"""What a person is asked before a run spends more than `approval_usd`. Pure."""

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
class Proposal:
    """What a run is about to embed: counts by name, what it costs, where most of it goes.

    `spent_today` is what the day has cost already.
    """

    model: str
    counts: Mapping[str, int]
    tokens: int
    cost_usd: Decimal
    largest: Sequence[Largest]
    spent_today: Decimal


def require_approval(cost_usd: Decimal, tokens: int, budgets: Budgets) -> None:
    """Raises ApprovalError when so much is more than a run may spend unasked."""
    limit = budgets.approval_usd
    if limit is not None and cost_usd > limit:
        raise ApprovalError(
            f"Embedding {tokens} tokens costs {cost_usd:f} USD; without approval a run may spend "
            f"{limit:f} (approval_usd of Variable rag_budgets). Nothing was embedded or published. "
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
    return f"Spend ${proposal.cost_usd:f} on embeddings by {proposal.model}?"


def body(proposal: Proposal, budgets: Budgets) -> str:
    """The plan in Markdown. Names of documents are shown as they are, never as Markdown."""
    rows = [f"| {name} | {count:,} |" for name, count in proposal.counts.items() if count]
    parts = [
        "| the plan | |\n|---|---:|",
        *rows,
        f"| tokens to embed | {proposal.tokens:,} |",
        f"| **estimated cost** | **${proposal.cost_usd:f}** |",
        f"| spent today | ${proposal.spent_today:f} |",
        "",
        *_warnings(proposal, budgets),
        "| the largest documents | texts | tokens |\n|---|---:|---:|",
        *(f"| `{_name(e.uri)}` | {e.texts:,} | {e.tokens:,} |" for e in proposal.largest),
        "",
        "**Approve** embeds and publishes. **Reject** leaves everything as it is: nothing is "
        "embedded or published, what is searchable stays, and the next run asks again. Without an "
        "answer it is rejected.",
    ]
    return "\n".join(parts)


def _warnings(proposal: Proposal, budgets: Budgets) -> list[str]:
    limits = (
        ("day", budgets.daily_usd, proposal.spent_today),
        ("run", budgets.run_usd, Decimal(0)),
    )
    return [
        f"The budget of the {name} is ${limit:f}: the run would stop there, keep what it paid "
        f"for, and a later one would go on.\n"
        for name, limit, spent in limits
        if limit is not None and spent + proposal.cost_usd > limit
    ]


def _name(uri: str) -> str:
    """A uri inside a code span inside a table; what could end either is replaced."""
    shown = "".join(c if c.isprintable() else " " for c in unquote(uri))
    return shown.replace("`", "'").replace("|", "¦")
