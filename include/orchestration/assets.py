"""The assets that connect the Dags.

`raw_documents` wakes ingestion, `chunk_index` the index's readers, `quarantine` the people who review
what was set aside, `lake_verification` whoever watches over the lake, `index_candidate` the judge of
an index that is complete beside the live one. An event is a wake-up, never the truth: whoever is
woken plans against the manifest.
"""

from __future__ import annotations

from airflow.sdk import Asset

RAW_DOCUMENTS = Asset(name="raw_documents", uri="rag://source/raw_documents", group="rag")
QUARANTINE = Asset(name="quarantine", uri="rag://lake/quarantine", group="rag")
CHUNK_INDEX = Asset(name="chunk_index", uri="rag://lake/chunk_index", group="rag")
INDEX_CANDIDATE = Asset(name="index_candidate", uri="rag://lake/index_candidate", group="rag")
LAKE_VERIFICATION = Asset(name="lake_verification", uri="rag://lake/lake_verification", group="rag")
