"""Gaussians with a shrunk covariance, without some of their clips, and mixtures of Gaussians."""
