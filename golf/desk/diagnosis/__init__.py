"""What is wrong with a training run, from its log and its script."""
