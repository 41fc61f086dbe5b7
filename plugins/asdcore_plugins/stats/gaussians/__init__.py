"""Gaussians with a shrunk covariance, without some of their clips, and mixtures of Gaussians.

gaussian  a Gaussian with a shrunk covariance, and its exact leave-one-out
downdate  the same without sets of clips of its bank
mixture   a mixture with diagonal covariances
moments   sums over clips that give fourth powers for any shift
"""
