"""One file for each format: how it is known, read and written."""
