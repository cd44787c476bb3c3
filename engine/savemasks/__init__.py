"""Turns annotated image data sets into masks."""

__version__ = "0.1.0"
