"""Asks a person before a run spends more than `approval_usd` on embeddings or on chat models.

The task that has planned the batches leaves a question where one is needed; the approval task
waits only then. Both are cheap: no platform is opened to find that there is nothing to ask.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context

from include.orchestration.review import PlainHITLOperator, who
from include.orchestration.skipping import skipped
from include.wiring import Platform

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from include.spending.approval import Proposal
    from include.spending.forecast import Forecast
    from include.stages.accepted import Accepted
    from include.stages.batch import ToEmbed

APPROVE, REJECT = "Approve", "Reject"
QUESTION = "approval"
"""The XCom that holds a question: `subject` and `body`."""
TIME_TO_ANSWER = timedelta(days=1)
_LARGEST = 10


class SpendingApproval(PlainHITLOperator):
    """Waits for a person where the task before it asks; rejection skips what comes after."""

    def __init__(self, **given: Any) -> None:
        defaults: dict[str, Any] = {
            "subject": "Spend more than approval_usd?",
            "options": [APPROVE, REJECT],
            "defaults": REJECT,
            "response_timeout": TIME_TO_ANSWER,
            "doc": "Waits for a person when the run costs more than approval_usd.",
        }
        super().__init__(**defaults | given)

    def execute(self, context: Context) -> Any:
        """Asks, and waits; ends at once where there is nothing to ask."""
        asked = context["ti"].xcom_pull(task_ids=list(self.upstream_task_ids), key=QUESTION)
        question = next(filter(None, asked or ()), None)
        if question is None:
            self.log.info("The run costs no more than approval_usd: nothing to ask.")
            return None
        self.subject, self.body = question["subject"], question["body"]
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Goes on when a person approved; otherwise everything stays as it was."""
        answer = super().execute_complete(context, event)
        if answer["chosen_options"] != [APPROVE]:
            raise skipped(
                f"Rejected by {who(answer)}: nothing was spent, and everything stays as it was. The "
                f"next run asks again."
            )
        return answer


def ask_if_dear(
    platform: Platform, accepted: Accepted, to_embed: ToEmbed, *, by_batch: bool = False
) -> None:
    """Leaves a question for the approval task when the texts cost more than approval_usd."""
    budgets = platform.settings.budgets
    if budgets.approval_usd is None:
        return
    cost = platform.embedding_cost(to_embed.tokens, by_batch=by_batch)
    if cost <= budgets.approval_usd:
        return
    from include.spending.approval import Proposal
    from include.stages.batch import largest

    proposal = Proposal(
        model=platform.embedder.identity.model + (" in batches" if by_batch else ""),
        counts={
            **{f"documents {name}": count for name, count in accepted.counts().items()},
            "chunks": to_embed.chunks,
            "texts in the cache": to_embed.reused,
            "texts to embed": to_embed.texts,
        },
        tokens=to_embed.tokens,
        cost_usd=cost,
        largest=largest(accepted, to_embed, _LARGEST),
        spent_today=platform.spending.spent_today(),
    )
    _leave(platform, proposal)


def ask_if_forecast_is_dear(platform: Platform, forecast: Forecast) -> None:
    """Leaves a question for the approval task when asking the models may cost more than that."""
    limit = platform.settings.budgets.approval_usd
    if limit is not None and forecast.most.cost_usd > limit:
        _leave(platform, forecast.proposal(platform.spending.spent_today()))


def _leave(platform: Platform, proposal: Proposal) -> None:
    from include.spending.approval import body, subject

    text = body(proposal, platform.settings.budgets)
    question = {"subject": subject(proposal), "body": text}
    get_current_context()["ti"].xcom_push(QUESTION, question)
