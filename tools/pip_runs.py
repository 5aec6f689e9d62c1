"""Runs pip quietly: its full output goes to a log, a person sees progress and one sentence."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tools.console import RefusalError, StatusLine, duration, say

SAY_EVERY_SECONDS = 30

# The first pattern found in pip's output names the trouble; order matters, causes before effects.
TROUBLES = (
    (r"No space left on device|Errno 28", "The disk is full: free about {free_gb} GB, then run the same command again; it resumes."),
    (r"THESE PACKAGES DO NOT MATCH THE HASHES", "A download was damaged or tampered with: run `{python} -m pip cache purge`, then the same command again."),
    (r"NewConnectionError|NameResolutionError|Temporary failure in name resolution|Network is unreachable|ConnectTimeoutError|ReadTimeoutError|Connection refused|ProxyError|getaddrinfo failed|Max retries exceeded", "No package index can be reached: check the network (or the proxy and index in pip's configuration), then run the same command again; it resumes."),
    (r"CERTIFICATE_VERIFY_FAILED|SSLError", "The package index's TLS certificate is not trusted here: set PIP_CERT to your organisation's CA file, then run the same command again."),
    (r"Permission denied|Errno 13", "pip may not write into .venv: remove it if another user created it, then run the same command again."),
)  # fmt: skip


def pip_install(
    python: Path, arguments: Sequence[str], *, title: str, log: Path, missing: str, free_gb: int = 6
) -> None:
    """Runs `pip install`, showing one line of progress; appends its output to `log`.

    Leaves the packages uncompiled: pip would compile on one core, for half of the whole time.

    Raises RefusalError with the cause and the remedy when it fails; `missing` is the sentence for
    a requirement that no index has for this machine.
    """
    command = [str(python), "-m", "pip", "install", "--no-input", "--progress-bar=off", "--disable-pip-version-check", "--no-compile", *arguments]  # fmt: skip
    began, line = time.monotonic(), StatusLine()
    seen: list[str] = []
    with log.open("a", encoding="utf-8") as record, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:  # fmt: skip
        assert process.stdout
        progress = Progress(title, line, began)
        for text in process.stdout:
            record.write(text)
            seen.append(text)
            progress.read(text)
    line.clear()
    if process.returncode != 0:
        raise RefusalError(f"{trouble(''.join(seen), missing).format(python=python, free_gb=free_gb)} (log: {log})")  # fmt: skip
    say(f"{title}: done in {duration(time.monotonic() - began)}")


def compile_packages(python: Path, packages: Path) -> None:
    """Compiles what is not compiled yet, on all cores; files that cannot be are left alone."""
    began = time.monotonic()
    command = [str(python), "-m", "compileall", "-q", "-q", "-j", "0", str(packages)]
    subprocess.run(command, capture_output=True, check=False)
    say(f"Compiling for a fast start: done in {duration(time.monotonic() - began)}")


def trouble(output: str, missing: str) -> str:
    """The sentence for what went wrong; pip's own last error when it is nothing known."""
    if re.search(r"Could not find a version .*\(from versions: (?!none)", output):
        return missing  # an index answered, so the network is not what is missing
    for pattern, sentence in TROUBLES:
        if re.search(pattern, output):
            return sentence
    if "No matching distribution found" in output or "Could not find a version" in output:
        return missing
    if conflict := re.search(r"The conflict is caused by:\n\s+(.+)\n\s+(.+)\n", output):
        return f"Pinned packages do not fit this Python: {conflict[1]}, but {conflict[2]}. Use another Python (make demo PYTHON=…) or change the pin."
    errors = re.findall(r"^ERROR: (.+)$", output, re.MULTILINE)
    return "pip failed: " + (errors[-1] if errors else "see the log").replace("{", "").replace("}", "")  # fmt: skip


class Progress:
    """Turns pip's lines into one line on a terminal, or a line now and then elsewhere."""

    def __init__(self, title: str, line: StatusLine, began: float) -> None:
        self._title, self._line, self._began = title, line, began
        self._said = began
        self._collected = 0

    def read(self, text: str) -> None:
        """Takes one line of pip's output."""
        if text.startswith("Collecting "):
            self._collected += 1
            self._show(f"{self._collected} packages found, now {text.split()[1]}")
        elif text.lstrip().startswith("Downloading "):
            self._show(f"{self._collected} packages found, downloading {text.split()[1].rpartition('/')[2]}")  # fmt: skip
        elif text.startswith("Installing collected packages:"):
            self._show(f"unpacking {text.count(',') + 1} packages", now=True)

    def _show(self, what: str, *, now: bool = False) -> None:
        moment = time.monotonic()
        waited = duration(moment - self._began)
        self._line.show(f"{self._title}: {what} ({waited})")
        if not self._line.live and (now or moment - self._said > SAY_EVERY_SECONDS):
            say(f"{self._title}: {what} ({waited})")
            self._said = moment
