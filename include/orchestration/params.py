"""The switches of the trigger forms. A text that may be left empty has the type null, too."""

from __future__ import annotations

from airflow.sdk import Param

REREAD = Param(
    False,
    type="boolean",
    title="Re-read every file",
    description="Compare contents, not only size and modification time.",
)
ALLOW_DELETIONS = Param(
    False,
    type="boolean",
    title="Allow large deletions",
    description="Remove documents even if more than max_delete_fraction of them are gone.",
)
LOOK_ONLY = Param(
    False,
    type="boolean",
    title="Look only",
    description="Report what changed; start no ingestion.",
)
REBUILD = Param(
    False,
    type="boolean",
    title="Rebuild for changed settings",
    description="Fill a new index for the configured embedder and chunker, then make it live.",
)
KEEP_DAYS = Param(
    7,
    type="integer",
    minimum=1,
    maximum=365,
    title="Keep for days",
    description="Table versions and run artifacts younger than this are kept.",
)
REPAIR = Param(
    False,
    type="boolean",
    title="Repair",
    description="Put right what verification finds; sync_source completes it.",
)
TARGET = Param(
    "",
    type=["null", "string"],
    title="Target index",
    description="What should differ from the live index, as in: RAG_EMBEDDER=local:all-mpnet-base-v2 RAG_CHUNK_TOKENS=128. Empty: a new index that the settings name, else the one that is being built. In a backfill, tick “Override parameters on existing runs”, or Airflow ignores it.",
)
BATCH_API = Param(
    False,
    type="boolean",
    title="Batch API",
    description="Embed through the provider's batches: half the price, within a day (openai:… only).",
)
FIRST_DAY = Param(
    "",
    type=["null", "string"],
    title="First day",
    description="Of a single run; a backfill has its own. Documents first ingested from this day on, as in: 2026-11-21. Empty: from the first one.",
)
LAST_DAY = Param(
    "",
    type=["null", "string"],
    title="Last day",
    description="Of a single run. Documents first ingested until the end of this day; empty: until now.",
)
REEMBED_FORM = {
    "target": TARGET, "first_day": FIRST_DAY, "last_day": LAST_DAY, "batch_api": BATCH_API,
}  # fmt: skip
SWITCH_TO = Param(
    "previous",
    type="string",
    title="Switch to",
    description="“previous” rolls back; the name of a candidate promotes it (the result of reembed_corpus and python -m include indexes tell names).",
)
REASON = Param(
    "",
    type=["null", "string"],
    title="Reason to overrule the gate",
    description="A candidate that was refused, or not evaluated, goes live only with a reason.",
)
QUESTIONS_URI = Param(
    "",
    type=["null", "string"],
    title="File of questions",
    description="Its URI, in the lake or in a source: JSON Lines, CSV, or one question a line.",
)
QUESTIONS = Param(
    "",
    type=["null", "string"],
    format="multiline",
    title="Questions",
    description="Instead of a file: one question a line.",
)
PROMPT_VERSION = Param(
    "",
    type=["null", "string"],
    title="Prompt version",
    description="A version or a label of the prompt “answer”; empty: production, or its split.",
)
K = Param(
    10,
    type="integer",
    minimum=1,
    maximum=100,
    title="Chunks",
    description="How many chunks an answer is written from.",
)
MOST_TEXTS = Param(
    1_000,
    type="integer",
    minimum=1,
    maximum=1_000_000,
    title="At most so many texts",
    description="The next run goes on with the others.",
)
AGAIN = Param(
    False,
    type="boolean",
    title="Again",
    description="Also try texts that could not be described before; pays for them again.",
)
INDEX = Param(
    "",
    type=["null", "string"],
    title="Index",
    description="Name of the index to judge; empty: the candidate beside the live index, or else the live one.",
)
PROMOTE = Param(
    True,
    type="boolean",
    title="Promote",
    description="A candidate that passes goes live; about one that is refused a person is asked.",
)
OPTIONS = Param(
    False,
    type="boolean",
    title="Try fewer dimensions and bits",
    description="The page then tells what each would take, find and lose; no chunk is embedded.",
)
WHY = Param(
    "",
    type=["null", "string"],
    title="Reason",
    description="Kept with the index if you promote it although it was refused.",
)
FIRST_VERSION = Param(
    "production",
    type="string",
    title="First version",
    description="A version or a label of the prompt “answer”: what the other is held against.",
)
SECOND_VERSION = Param(
    "candidate",
    type=["null", "string"],
    title="Second version",
    description="Another version or label; empty: the first is judged alone.",
)
JUDGED_URI = Param(
    "",
    type=["null", "string"],
    title="File of questions",
    description="Its URI, in the lake or in a source; empty: the golden questions.",
)
MOST_JUDGED = Param(
    50,
    type="integer",
    minimum=1,
    maximum=10_000,
    title="At most so many questions",
    description="Each costs up to four calls a version.",
)
MOST_PASSAGES = Param(
    30,
    type="integer",
    minimum=0,
    maximum=10_000,
    title="At most so many passages",
    description="A chat model is asked about so many when too few questions wait; 0 asks about none.",
)
SHOW = Param(
    20,
    type="integer",
    minimum=1,
    maximum=100,
    title="Show",
    description="How many questions are shown to people at once.",
)
SEED = Param(
    7, type="integer", minimum=0, title="Seed", description="Another number, other passages."
)
OTHER_WORDS = Param(
    "",
    type=["null", "string"],
    title="The question in other words",
    description="Empty: as it is. Otherwise these words are accepted in its place.",
)
