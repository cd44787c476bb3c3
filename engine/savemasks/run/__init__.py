"""Many items: what is left to do, and the workers that do it."""
