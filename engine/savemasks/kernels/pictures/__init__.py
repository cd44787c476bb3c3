"""Kernels of `pictures`: PNG filters undone."""
