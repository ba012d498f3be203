"""The run folder: manifest, Parquet shards, resume, counts. Knows no model and no statistics."""
