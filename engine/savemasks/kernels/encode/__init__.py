"""Kernels of `encode`: look-up tables, filters, and encoders that know where masks repeat."""
