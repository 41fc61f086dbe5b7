"""Trains encoders on train normals.

train       train normals -> trained encoders
train_jobs  lists the networks to train
train_all   trains those that the store lacks
"""
