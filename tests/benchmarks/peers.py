"""One run of one framework over a folder; started by bench_peers with an interpreter of its own.

    python peers.py '{"peer": "langchain", "source": "…", "state": "…", "model": "…", "fake": true}'

Both get the same loader (the platform's HTML library), the same model files, 256 tokens with 32
of overlap counted by the model's own tokenizer, and vectors that take no time when `fake`. What
is timed is the framework's run, after imports, model loading and a warm-up on one small document.
"""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TOKENS, OVERLAP, DIMENSIONS = 256, 32, 384


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Model:
    """`SentenceTransformer.encode` with its defaults, or hashes; counts texts and CPU seconds."""

    def __init__(self, folder: str, *, fake: bool) -> None:
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self._model: Any = None
        if not fake:
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(folder, device="cpu", local_files_only=True)
        self.texts = 0
        self.cpu = 0.0

    def count(self, text: str) -> int:
        """Tokens without special ones."""
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        """One unit vector per text."""
        self.texts += len(texts)
        before = cpu_seconds()
        found = _hashed(texts) if self._model is None else self._model.encode(list(texts), show_progress_bar=False)  # fmt: skip
        self.cpu += cpu_seconds() - before
        vectors: list[list[float]] = found.tolist()
        return vectors


def _hashed(texts: Sequence[str]) -> Any:
    import numpy as np

    raw = b"".join(hashlib.shake_128(text.encode()).digest(DIMENSIONS) for text in texts)
    matrix = np.frombuffer(raw, np.uint8).reshape(-1, DIMENSIONS).astype(np.float32) - 127.5
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def load(path: Path) -> str:
    """The text of a document; HTML loses its tags."""
    text = path.read_bytes().decode("utf-8", "replace")
    if path.suffix != ".html":
        return text
    from selectolax.lexbor import LexborHTMLParser

    body = LexborHTMLParser(text).body
    return body.text(separator="\n") if body else ""


def langchain(source: Path, state: Path, model: Model) -> dict[str, object]:
    """`index()` with cleanup="full", records in SQLite, vectors in LanceDB (appending)."""
    import lancedb
    from langchain_classic.indexes import SQLRecordManager
    from langchain_community.vectorstores import LanceDB
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.indexing import index
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    class Embedding(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return model.encode(texts)

        def embed_query(self, text: str) -> list[float]:
            return model.encode([text])[0]

    state.mkdir(parents=True, exist_ok=True)
    connection = lancedb.connect(str(state / "vectors"))
    store = LanceDB(connection, Embedding(), table_name="chunks", mode="append")
    records = SQLRecordManager("bench", db_url=f"sqlite:///{state}/records.db")
    records.create_schema()
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=TOKENS, chunk_overlap=OVERLAP, length_function=model.count
    )
    documents = [
        Document(load(path), metadata={"source": str(path)}) for path in sorted(source.iterdir())
    ]
    done = index(
        splitter.split_documents(documents),
        records,
        store,
        cleanup="full",
        source_id_key="source",
        key_encoder="sha256",
    )
    return {"done": dict(done), "rows": connection.open_table("chunks").count_rows()}


def llamaindex(source: Path, state: Path, model: Model) -> dict[str, object]:
    """IngestionPipeline, docstore upserts and deletes, its own stores, persisted at the end.

    Its LanceDB store cannot delete with lancedb >= 0.38, and its own one keeps no texts.
    """
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.schema import Document
    from llama_index.core.storage.docstore import SimpleDocumentStore
    from llama_index.core.vector_stores import SimpleVectorStore

    class Embedding(BaseEmbedding):
        def _get_text_embedding(self, text: str) -> list[float]:
            return model.encode([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return model.encode(texts)

        def _get_query_embedding(self, query: str) -> list[float]:
            return model.encode([query])[0]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return model.encode([query])[0]

    known = (state / "docstore.json").exists()
    docstore = SimpleDocumentStore.from_persist_path(str(state / "docstore.json")) if known else SimpleDocumentStore()  # fmt: skip
    vectors = SimpleVectorStore.from_persist_path(str(state / "vectors.json")) if known else SimpleVectorStore()  # fmt: skip
    splitter = SentenceSplitter(
        chunk_size=TOKENS,
        chunk_overlap=OVERLAP,
        tokenizer=lambda text: model.tokenizer.encode(text, add_special_tokens=False).ids,
        include_metadata=False,
    )
    pipeline = IngestionPipeline(
        transformations=[splitter, Embedding()],
        docstore=docstore,
        vector_store=vectors,
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
        disable_cache=True,
    )
    paths = sorted(source.iterdir())
    documents = [Document(text=load(p), doc_id=p.name, metadata={"source": str(p)}) for p in paths]
    nodes = pipeline.run(documents=documents)
    state.mkdir(parents=True, exist_ok=True)
    docstore.persist(str(state / "docstore.json"))
    vectors.persist(str(state / "vectors.json"))
    return {"done": len(nodes), "rows": len(vectors.data.embedding_dict)}


PEERS = {"langchain": langchain, "llamaindex": llamaindex}


def main() -> None:
    chosen = json.loads(sys.argv[1])
    model = Model(chosen["model"], fake=chosen["fake"])
    peer = PEERS[chosen["peer"]]
    with tempfile.TemporaryDirectory() as scratch:
        inbox = Path(scratch) / "inbox"
        inbox.mkdir()
        (inbox / "warm.txt").write_text("A small document, so that everything is imported.")
        (inbox / "warm.html").write_text("<p>Another one, in the other format.</p>")
        peer(inbox, Path(scratch) / "state", model)
    model.texts, model.cpu = 0, 0.0
    state = Path(chosen["state"])
    if chosen.get("from_nothing"):
        shutil.rmtree(state, ignore_errors=True)
    before = cpu_seconds()
    found = peer(Path(chosen["source"]), state, model)
    answer = {
        **found,
        "cpu": cpu_seconds() - before,
        "embedding_cpu": model.cpu,
        "embedded": model.texts,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(answer, default=str))


if __name__ == "__main__":
    main()
