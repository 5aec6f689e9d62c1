"""Judging an index with golden questions: alone, or a candidate beside the live one.

What was found is kept in the lake, and with the index in the registry, where `promote` looks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from include.documents import digest
from include.evaluation.assess import Assessment, Terms, assess
from include.evaluation.history import latest_state, questions_hash, remember, trend
from include.evaluation.options import Measured, Option, parse
from include.evaluation.questions import Question, load_questions
from include.evaluation.report import Findings, page
from include.evaluation.representing import Traffic
from include.evaluation.synthetic import generate
from include.golden.drift import DAYS, measure
from include.golden.kept import FEWEST, accepted
from include.golden.titles import titled_documents
from include.indexes import of_index, searcher
from include.retrieval.search import Mode
from include.settings import REPOSITORY
from include.storage.index_entries import Index
from include.storage.lake import path_name
from include.wiring import Platform

Json = dict[str, Any]
DEMO_QUESTIONS = REPOSITORY / "include" / "evaluation" / "golden" / "python_packages.jsonl"
SYNTHETIC_QUESTIONS = 200


@dataclass(frozen=True, slots=True)
class Judged:
    """An evaluation with everything that a page shows of it; `report` is where the lake has it.

    `traffic` are the real queries of the last days, where they are logged.
    """

    run_id: str
    assessment: Assessment
    html: str
    report: str
    traffic: Traffic | None = None
    options: Sequence[Measured] = ()

    def as_json(self) -> Json:
        """The evaluation as JSON values; `options` only where some were tried."""
        traffic = self.traffic.as_json() if self.traffic else None
        tried = {"options": [each.as_json() for each in self.options]} if self.options else {}
        return {
            "run_id": self.run_id,
            **self.assessment.as_json(),
            "report": self.report,
            "traffic": traffic,
            **tried,
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """What is judged: an index (None: the live one), and another that it is held against.

    `baseline` are the metrics of an earlier evaluation, for an index that stands alone; without,
    `with_history` takes those of the last one with the same questions. `state` is that of the
    index (`state_of`), kept to tell whether there is anything new to find. Real queries of the last
    `traffic_days` are compared with the questions.
    `options` are to be tried, as `evaluation.options.parse` reads them; None: none.
    """

    index: str | None = None
    against: str | None = None
    mode: Mode = "hybrid"
    baseline: Mapping[str, float] | None = None
    with_history: bool = False
    state: str = ""
    traffic_days: int = DAYS
    options: str | None = None


def judge(platform: Platform, questions: Sequence[Question], asked: Asked, run_id: str) -> Judged:
    """Scores the index and keeps the result. Raises ConfigurationError for an unknown index."""
    name, now = questions_hash(questions), datetime.now(UTC)
    past = trend(platform.tables, name, asked.mode) if asked.with_history else []
    baseline = past[-1].metrics if past and asked.baseline is None else asked.baseline
    theirs = None
    if asked.against is not None:
        theirs = searcher(platform, None if asked.against == "live" else asked.against)
    terms = Terms(questions, asked.mode, None if theirs else baseline)
    tried: Sequence[Measured] = ()
    if asked.options is not None:
        tried = try_options(of_index(platform, asked.index), asked, questions)
    found = assess(platform.tables, searcher(platform, asked.index), terms, theirs=theirs)
    path = f"evaluations/{path_name(run_id)}.html"
    texts = [each.question for each in questions]
    traffic = measure(platform, texts, index=asked.index, days=asked.traffic_days)
    report: Json = {"run_id": run_id, **found.as_json(), "report": platform.lake.files.uri(path)}
    # What people asked is kept as long as the log, and no longer.
    held = {"state": asked.state, "traffic": traffic and traffic.without_texts().as_json()}
    remember(platform.tables, report | held, asked=name, run_id=run_id, at=now)
    past = trend(platform.tables, name, asked.mode)
    html = page(Findings(found, terms, past, run_id, now, traffic, tried))
    platform.lake.objects.write(path, html.encode())
    if theirs is not None:
        kept = ("run_id", "against", "verdict", "reasons", "metrics", "baseline", "report")
        verdict = {key: report[key] for key in kept} | {"at": now.isoformat()}
        platform.registry.update(found.candidate.index, evaluation=verdict)
    return Judged(run_id, found, html, report["report"], traffic, tried)


def try_options(
    platform: Platform, asked: Asked, questions: Sequence[Question]
) -> Sequence[Measured]:
    """Measures dimensions and forms for the vectors of an index; `platform` is that of the index."""
    from include.embedding.cache import EmbeddingCache
    from include.embedding.shortened import whole
    from include.evaluation.trial import Trial

    embedder, (model, can_be_cut) = whole(platform.embedder), platform.whole_model
    identity = embedder.identity
    options = parse(asked.options or "", identity.dimensions, can_be_cut=can_be_cut)
    trial = Trial(
        index=asked.index or platform.live_index(),
        store=platform.store,
        database=platform.database,
        cache=EmbeddingCache(platform.database, identity),
        embedder=embedder,
        model=model,
        now=Option(platform.embedder.identity.dimensions, platform.settings.embedding.vectors),
    )
    return trial.run(options, questions, asked.mode)


def to_judge(platform: Platform, told: Collection[str], *, by_hand: bool) -> Asked:
    """What a run is to judge that names no index: a candidate beside the live one, or that alone.

    That is a candidate of which it was told, or that was never judged; by hand, any. Of several
    the youngest. What a person has refused is not brought up again by every ingestion.
    """
    found = [
        index
        for index in candidates(platform)
        if by_hand or index.name in told or index.evaluation is None
    ]
    return Asked(found[-1].name, "live") if found else Asked(with_history=True)


def candidates(platform: Platform) -> list[Index]:
    """Indexes that wait for promotion, the youngest last."""
    waiting = [each for each in platform.registry.indexes() if each.state == "candidate"]
    return sorted(waiting, key=lambda each: each.created_at)


def state_of(platform: Platform, asked: Asked) -> str:
    """Names everything that the result depends on: both indexes, their documents, the questions."""
    live = platform.live_index()
    held = platform.store.versions(asked.index or live).sort("document_id", "version")
    documents = (column.str.join("\n").item() or "" for column in held.iter_columns())
    questions = _questions_state(platform)
    return digest("evaluated", asked.index or live, live, asked.mode, questions, *documents)


def is_known(platform: Platform, asked: Asked, run_id: str) -> bool:
    """Whether the last evaluation of this index by another run found it in this very state."""
    index = asked.index or platform.live_index()
    against = platform.live_index() if asked.against else ""
    known = latest_state(platform.tables, index, against, but=run_id)
    return bool(asked.state) and asked.state == known


def golden_questions(platform: Platform, file: Path | None = None) -> list[Question]:
    """The questions of a file, else of RAG_GOLDEN_QUESTIONS, else those that people accepted.

    With fewer than ten accepted ones it is what fits the documents: the demo's questions when most
    of the documents that they name are indexed, and otherwise synthetic ones, tagged so, made from
    titles and headings. Empty without any.
    """
    chosen = file or platform.settings.golden_questions
    if chosen:
        return load_questions(chosen)
    kept = accepted(platform.tables)
    if len(kept) >= FEWEST:
        return kept
    demo = load_questions(DEMO_QUESTIONS)
    uris = platform.tables.documents.read(["uri"])["uri"].to_list()
    wanted = {path for question in demo for path in question.relevant}
    suffixes = tuple("/" + path.lstrip("/") for path in wanted)
    held = {uri for uri in uris if uri.endswith(suffixes)}
    if len(held) * 2 >= len(wanted):
        return demo
    return generate(titled_documents(platform.tables), SYNTHETIC_QUESTIONS)


def _questions_state(platform: Platform) -> str | bytes:
    """Names what `golden_questions` depends on beside the documents."""
    if file := platform.settings.golden_questions:
        return file.read_bytes()
    return questions_hash(accepted(platform.tables)) + DEMO_QUESTIONS.read_text(encoding="utf-8")
