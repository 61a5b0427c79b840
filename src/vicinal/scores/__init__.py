"""Metrics of all samples together, with fastai's names and arguments."""
