"""Where the metrics of runs go: Trackio, MLflow, W&B or plain JSON lines, by the same calls (S69, S70, S108)."""
