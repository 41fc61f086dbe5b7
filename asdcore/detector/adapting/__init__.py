"""Adapts a detector when normal sound has changed.

adapt                 a detector and new normals -> another detector, which judges by several baselines
baselines             one machine with several of them
adapted               a detector that holds several others
adapted_file          the file of an adapted detector
faults_among_normals  what the old detector says of the new normals
heard_before          known faults among the new normals, and what the detector has learnt before
"""
