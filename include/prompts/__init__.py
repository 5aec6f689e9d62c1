"""Prompts: versioned templates, shipped as files, added to by an Airflow Variable. Pure.

`library.Prompts` is what the platform asks; see docs/prompts.md.
"""

from include.prompts.library import Prompts
from include.prompts.rendered import Message, RenderedPrompt

__all__ = ["Message", "Prompts", "RenderedPrompt"]
