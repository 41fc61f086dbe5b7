"""What readers of one family of folder layouts share."""
