"""The training loop, its events and callbacks."""
