"""Reads the arguments, runs one command, prints its answer."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

from include.commands import (
    asking_arguments,
    filling_arguments,
    judging_arguments,
    keeping_arguments,
    prompts,
)
from include.commands.adding import Add, Command, Json
from include.errors import ConfigurationError, PlatformError
from include.observability.log import log_to_stderr
from include.settings import Settings, load_env_file
from include.wiring import Platform


def main(
    arguments: Sequence[str] | None = None, *, also: Callable[[Add], None] | None = None
) -> int:
    """Runs one command; returns the exit status and never shows a traceback for our errors.

    `also` adds commands of other packages.
    """
    chosen = _parser(also).parse_args(arguments)
    log_to_stderr(verbose=chosen.json or chosen.verbose)
    try:
        load_env_file()
        with closing(Platform(_settings(chosen))) as platform:
            answer, status = chosen.run(platform, chosen)
    except KeyboardInterrupt:
        print(
            "Interrupted. Nothing is lost: what was embedded is cached; run it again to go on.",
            file=sys.stderr,
        )
        return 130
    except PlatformError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    try:
        print(json.dumps(answer, ensure_ascii=False) if chosen.json else chosen.show(answer))
    except BrokenPipeError:
        sys.stderr.close()
    return int(status)


def _settings(chosen: argparse.Namespace) -> Settings:
    settings = Settings.from_environment()
    approved = getattr(chosen, "approve_usd", None)
    if approved is None:
        return settings
    return replace(settings, budgets=settings.budgets.approving(approved))


def _parser(also: Callable[[Add], None] | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m include",
        description="Keeps a searchable index equal to your documents, and answers from it.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, run: Command, shown: Callable[[Json], str], promise: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=promise, description=promise)
        command.add_argument("--json", action="store_true", help="print one JSON object to stdout")
        command.add_argument("-v", "--verbose", action="store_true", help="log stages to stderr")
        command.set_defaults(run=run, show=shown)
        return command

    for group in (filling_arguments, asking_arguments, keeping_arguments, judging_arguments):
        group.add_commands(add)
    prompts.add_arguments(
        add("prompts", prompts.run, prompts.shown, "List, show and compare versions of prompts.")
    )
    if also:
        also(add)
    return parser
