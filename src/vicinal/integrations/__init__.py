"""Mixing in other trainers: one file each, which needs only that trainer and mixing."""
