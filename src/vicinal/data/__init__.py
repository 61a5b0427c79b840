"""From a name or a path to batches on the device."""
