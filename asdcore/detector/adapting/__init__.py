"""Adapts a detector when normal sound has changed.

adapt                 a detector and new normals -> another detector, which judges by several baselines
faults_among_normals  what the old detector says of the new normals
heard_before          known faults among the new normals, and what the detector has learnt before
"""
