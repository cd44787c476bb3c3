"""What is asked: a layer's JSON → validated settings and palettes."""
