"""Does one piece of work: encodes a clip or scores a machine, and records which code did it.

encoding/          a clip -> features: views, resampling, encoders, poolings, long recordings
training/          what a training needs: waveforms, resuming, progress
scoring/           a scorer fitted, kept, brought back, and asked for the scores of one machine and section
component_checks/  components must hear each clip alone, remember no other, and return finite numbers

recipes            the code, parameters and libraries that determine a result
code_in_use        a process must run the code that its result is named after
kernels            which code numerical libraries choose on this processor
threads            limits libraries to one thread, so that sums do not depend on how many there are
freed_memory       keeps freed memory in the process
"""
