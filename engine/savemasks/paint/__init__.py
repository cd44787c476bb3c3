"""`Shapes` → label maps, by the kernels' scanline fills."""
