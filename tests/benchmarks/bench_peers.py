"""The same corpus through LangChain's indexing API, LlamaIndex's IngestionPipeline and this platform.

    python -m tests.benchmarks.bench_peers [--documents 2000] [--model]

Cold, unchanged, and with 1 % edited, 1 % removed and 1 % added. Without `--model` vectors take no
time, so that the frameworks' own cost shows; with it all three run the same model (choose some
100 documents). The frameworks live in `.venv-bench`, made on the first run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform as machine
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from include.embedding.models import find_model
from tests.benchmarks.children import ROOT, run
from tests.benchmarks.corpus import corpus
from tests.benchmarks.edits import apply, edited_corpus, prepare_folder
from tools.install import ensure_venv
from tools.pip_runs import pip_install
from tools.torch_build import choose_build, has_nvidia_gpu, pinned_version

Json = dict[str, Any]
FOLDER = Path(__file__).resolve().parent
OURS, PEERS = "this platform", ("langchain", "llamaindex")
STATES = ("cold", "unchanged", "1 % changed")


def measure(python: Path, options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, str, Json]]:  # fmt: skip
    """State, name and figures of every run; within a state the three take turns."""
    pages = corpus(options.documents + max(1, options.documents // 100))
    base, held_out = pages[: options.documents], pages[options.documents :]
    source = folder / "corpus"
    prepare_folder(source, base)
    after, edits = edited_corpus(base, held_out)
    for state in STATES:
        if state == "1 % changed":
            apply(source, after, edits)
        yield state, OURS, _own(source, folder / "ours", fake=not options.model)
        for peer in PEERS:
            yield state, peer, _peer(python, peer, source, folder, fake=not options.model)


def _own(source: Path, lake: Path, *, fake: bool) -> Json:
    return run("sync_once", source=str(source), lake=str(lake), instant=fake)


def _peer(python: Path, peer: str, source: Path, folder: Path, *, fake: bool) -> Json:
    model = find_model("all-MiniLM-L6-v2", ROOT / ".cache" / "models")
    values = {
        "peer": peer,
        "source": str(source),
        "state": str(folder / peer),
        "model": str(model.path),
        "fake": fake,
    }
    done = subprocess.run(
        [str(python), str(FOLDER / "peers.py"), json.dumps(values)],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False"},
        check=False,
    )
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return {"failed": (done.stderr.strip().splitlines() or ["no output"])[-1][:200]}
    answer: Json = json.loads(lines[-1])
    return answer


def line(state: str, name: str, found: Json, ours: Json) -> str:
    """One row of a Markdown table."""
    if "failed" in found:
        return f"| {state} | {name} | failed: {found['failed']} | | | | |"
    beside, own = (each["cpu"] - each["embedding_cpu"] for each in (found, ours))
    return (
        f"| {state} | {name} | {found['cpu']:.2f} | {beside:.2f} | {found['embedded']} | "
        f"{found['rows']} | {found['peak_mb']:.0f} | {beside / own:.1f} |"
    )


def install(folder: Path, *, model: bool) -> Path:
    """The frameworks' environment, made or completed; torch in the build that fits the machine."""
    python = ensure_venv(folder)
    log = folder / "install.log"
    if model:
        pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
        build = choose_build(
            pinned_version(pins),
            system=machine.system(),
            has_gpu=has_nvidia_gpu(),
            override=os.environ.get("TORCH_BUILD", ""),
        )
        encoder = re.findall(r"^sentence-transformers==\S+", pins, re.MULTILINE)
        for arguments in (build.pip_arguments(None), encoder):
            pip_install(python, arguments, title=arguments[0], log=log, missing="See the log.")
    wanted = ["-r", str(FOLDER / "requirements.txt")]
    pip_install(python, wanted, title="LangChain, LlamaIndex", log=log, missing="See the log.")
    return python


def main() -> int:
    """Installs what is missing, runs everything, prints the table as it grows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--documents", type=int, default=2_000)
    parser.add_argument("--model", action="store_true", help="embed for real, all three alike")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv-bench")
    options = parser.parse_args()
    python = install(options.venv.resolve(), model=options.model)
    print(
        "| state | who | CPU s | beside embedding | texts embedded | rows | peak MB | to ours |\n|---|---|---|---|---|---|---|---|"
    )
    ours: Json = {}
    with tempfile.TemporaryDirectory() as folder:
        for state, name, found in measure(python, options, Path(folder)):
            ours = found if name == OURS else ours
            print(line(state, name, found, ours), flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
