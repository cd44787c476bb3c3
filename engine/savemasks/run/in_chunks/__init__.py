"""Runs in chunks: for addresses and clusters; marks say what is done."""
