"""What the one inference on evaluation recordings checks, scores and notes."""
