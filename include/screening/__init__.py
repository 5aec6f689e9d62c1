"""Screening: secrets and personal data in a text, and what a policy does about them."""

from include.screening.findings import KINDS, Finding, screen
from include.screening.masking import mask
from include.screening.policy import INDEX_ALL, Policy, apply_policy

__all__ = ["INDEX_ALL", "KINDS", "Finding", "Policy", "apply_policy", "mask",
           "screen"]  # fmt: skip
