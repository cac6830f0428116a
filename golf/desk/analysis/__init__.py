"""What past runs say: which settings go with better scores, which runs fit a filter, and how a live one is doing."""
