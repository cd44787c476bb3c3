"""Results that are made in chunks: marks instead of a journal."""
