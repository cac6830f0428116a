"""Does the same code give the same numbers again: what the source says, and what repeating it shows."""
