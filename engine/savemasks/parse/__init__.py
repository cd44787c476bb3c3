"""Annotation bytes → `Shapes`: orjson, then flat arrays."""
