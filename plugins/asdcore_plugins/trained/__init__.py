"""Networks that learn to tell machines and attributes apart: what they are made of, and how they are trained.

networks/       waveform -> embedding
losses/         embedding and labels -> what training lowers; each extends ``losses.head.Loss``
augmentations/  what changes a batch before the network or the loss

clips           train clips as a training sees them
labels          classes, made of what the data set says of clips
pseudo_labels   classes from clusters of a frozen encoder's features
classes         what a trained encoder makes of its clips
batches         clips shuffled, and brought to one length
generators      random numbers, derived from one seed
learner         one step: batch, network, loss, weights
loop            the epochs, kept one by one
choice          parts by name, their parameters checked
named_weights   copies weights by their names
"""
