"""Networks that learn to tell machines and attributes apart: what they are made of, and how they are trained."""
