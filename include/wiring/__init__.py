"""The composition root: settings in, connected adapters out, in four layers.

Adapters are loaded when first used, so that a run that finds nothing to do imports no model, and
parsing a Dag imports nothing at all.
"""

from include.wiring.platform import Platform, new_run_id

__all__ = ["Platform", "new_run_id"]
