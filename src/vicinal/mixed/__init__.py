"""Mixed targets as tensors, for losses and metrics that know nothing of mixing."""
