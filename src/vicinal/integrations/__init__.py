"""Mixing in other trainers: a file for each, which needs that trainer and mixing alone."""
