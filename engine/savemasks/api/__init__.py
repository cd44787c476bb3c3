"""The Python interface; `savemasks/__init__.py` lists its names."""
