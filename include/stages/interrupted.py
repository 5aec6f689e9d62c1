"""What a publish that died left in an index, against what the manifest says."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What the index holds (`document_id, version`), where a publish may lack its record."""

    versions: pl.DataFrame

    def unrecorded(self, manifest: pl.DataFrame) -> pl.Series:
        """Ids of documents that the manifest does not know: to retract, unless they come again."""
        ids = self.versions["document_id"].unique()
        return ids.filter(~ids.is_in(manifest["id"].implode())).sort()

    def unsettled(self, manifest: pl.DataFrame) -> pl.Series:
        """Ids of documents of which the index does not hold the version that the manifest says."""
        held = self.versions.rename({"document_id": "id"})
        absent = manifest.filter(pl.col("chunks") > 0).join(held, on=["id", "version"], how="anti")
        other = held.join(manifest, on=["id", "version"], how="anti")
        other = other.join(manifest, on="id", how="semi")
        return pl.concat([absent["id"], other["id"]]).unique()
