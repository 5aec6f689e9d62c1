"""Storage: sources, artifacts, tables and small objects; everything that touches a disk or a bucket."""
