"""Originals in: the bytes of a picture → RGB pixels, whole or row by row."""
