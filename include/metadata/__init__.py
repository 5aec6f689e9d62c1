"""Metadata: which fields documents carry, what their values mean, and who may read them. Pure."""

from include.metadata.fields import NO_FIELDS, Field, Fields
from include.metadata.labels import access_labels, parse_labels
from include.metadata.patterns import PathPattern, fields_from_path
from include.metadata.rules import (
    ENRICHMENT,
    NO_RULES,
    SOURCE_VERSION,
    MetadataRules,
    document_metadata,
    labels_of,
)
from include.metadata.values import Kind, Value

__all__ = [
    "ENRICHMENT",
    "NO_FIELDS",
    "NO_RULES",
    "SOURCE_VERSION",
    "Field",
    "Fields",
    "Kind",
    "MetadataRules",
    "PathPattern",
    "Value",
    "access_labels",
    "document_metadata",
    "fields_from_path",
    "labels_of",
    "parse_labels",
]
