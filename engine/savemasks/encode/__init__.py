"""Label maps and originals → coloured pixels → PNG and TIFF, whole or in strips."""
