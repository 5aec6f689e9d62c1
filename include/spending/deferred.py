"""Calls that are answered hours later, by whoever is there then: a provider's batches.

A call of `Account.pay` lives and dies with its process. Here the entry is kept by the caller, in the
lake, and each step may be repeated by another process without counting anything twice.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from include.spending.account import Account
from include.spending.entries import RESERVED, Entry, Purpose, new_call_id
from include.spending.prices import Tokens


def entry(account: Account, purpose: Purpose, tokens: int, requests: int) -> Entry:
    """The entry of a batch of so many tokens that is about to be submitted; writes nothing."""
    at = account.clock()
    return Entry(
        id=new_call_id(at),
        at=at,
        purpose=purpose,
        caller=account.caller(),
        status=RESERVED,
        tokens=Tokens(tokens, counted=True),
        cost_usd=account.prices.batch_cost(purpose.provider, purpose.model, Tokens(tokens), at),
        budgeted=account.budget.counts_days,
        run_budgeted=account.budget.counts_runs,
        requests=requests,
    )


def reserve(account: Account, reserved: Entry) -> None:
    """Sets its cost aside and writes it down; may be repeated. Raises BudgetError."""
    if reserved.budgeted or reserved.run_budgeted:
        account.budget.reserve(reserved)
    account.ledger.write(reserved)


def settle(
    account: Account, reserved: Entry, status: str, tokens: Tokens, error: str = ""
) -> Entry:
    """Writes down what became of it, at the price of batches; may be repeated.

    It has no seconds: that a batch takes hours is no sign of a slow model.
    """
    purpose = reserved.purpose
    cost = account.prices.batch_cost(purpose.provider, purpose.model, tokens, reserved.at)
    settled = replace(reserved, status=status, tokens=tokens, cost_usd=cost, error=error)
    account.ledger.write(settled)
    account.budget.settle(settled)
    return settled


def estimate(account: Account, provider: str, model: str, tokens: int) -> Decimal:
    """What so many input tokens would cost in batches now."""
    return account.prices.batch_cost(provider, model, Tokens(tokens), account.clock())
