"""What the numbers mean. Nothing below this package may see the ground truth."""
