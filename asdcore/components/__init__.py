"""Components by name: built with their parameters, their checkpoints and other files located and hashed."""
