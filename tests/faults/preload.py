"""Imports what every child needs, in the process that children are forked from.

Nothing is opened and nothing is computed here, so that a fork finds no thread in the middle of it.
"""

import importlib
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for name in (
        "lancedb",
        "great_expectations",
        "great_expectations.expectations",
        "great_expectations.render.renderer",
        "great_expectations.render.view",
        "include.commands.ingest",
        "include.embedding.cached",
        "include.embedding.fake",
        "include.extraction",
        "include.quality.record",
        "include.stages.maintain",
        "include.vectorstore.lance",
        "tests.faults.reader",
        "tests.faults.roles",
    ):
        importlib.import_module(name)
# LanceDB warns at a fork: it may have been at work. Here it never was.
warnings.filterwarnings("ignore", message="lancedb fork support")
