"""Mixed targets as tensors, for losses and metrics that nobody rewrites."""
