"""What is done: output folder, lock, journal, report, verification."""
