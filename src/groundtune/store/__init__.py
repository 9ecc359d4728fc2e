"""Records as Parquet, images by sha256, lineage and resume."""
