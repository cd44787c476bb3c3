"""Kernels of `paint`: fills, lines, discs, and what shapes measure."""
