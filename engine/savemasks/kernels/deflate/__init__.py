"""Kernels of both directions of deflate (RFC 1951), which `parse` and `encode` share."""
