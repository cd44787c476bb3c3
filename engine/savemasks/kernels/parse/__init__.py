"""Kernels of `parse`: numbers, objects and bitmaps out of an annotation's text."""
