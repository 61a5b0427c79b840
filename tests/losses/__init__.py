"""What each loss and metric of other libraries gives on mixed targets: docs/losses.md."""
