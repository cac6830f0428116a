"""The ML engineer's desk: what a person with training code of their own uses Caddie for, golf or not."""
