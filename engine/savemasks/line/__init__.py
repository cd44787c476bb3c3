"""One item through the stations: parse, paint, pictures, encode, store."""
