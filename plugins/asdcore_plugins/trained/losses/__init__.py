"""Losses of a training, a file each.

by_name                 the table of names: build_loss
head                    the base classes: ``Loss``, and ``Head`` for one weight of class centres
scale                   the scale of the cosines: fixed, or it follows the training
adacos                  softmax of scaled cosines
sub_cluster_adacos      the same with several centres for each class
arcface                 an angular margin on the true class
adaproj                 a class is a subspace
subspace                every branch must tell the classes apart
featex                  do the branches of an embedding belong together?
supervised_contrastive  samples of one class lie closer to each other than to all others

A loss of your own extends ``Loss``: ``parts`` computes it, and ``golden`` names its weights, as ASDKit does if it has
this loss, else as you like. It is given ``classes`` and ``dim``; if ``OF_BRANCHES`` of ``by_name`` names it, also
``branch_dims``. Every other parameter has a default, so ``tests/plugins/trained/losses/test_losses.py`` tests the loss,
unedited, as soon as ``by_name`` names it.
"""
