"""A record folder: gathered, packed, and checked against its own logs."""
