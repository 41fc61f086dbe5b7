"""What the training of an encoder needs.

waveforms           keeps the sound of train clips for a training
resumable_training  keeps a training epoch after epoch, so that a killed one goes on
relayed_progress    progress of worker processes, shown by the run's own
"""
