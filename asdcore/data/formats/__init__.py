"""Readers of the files that loggers write: what soundfile reads is not read here.

by_ending       chooses the reader by the file's ending
channels        what every reader gives: channels with a name, a sample rate, a unit and samples
measured_sound  one channel of such a file, as if it were an open sound file
damage          what a format's library raises, as one message
time_stamps     reads a sample rate off time stamps, and sees whether they jump

csv_table       CSV by polars
csv_columns     its columns as numbers, however many rows there are
csv_head        how such a table is written: separator, names of columns, first number
hdf5            HDF5 by h5py
hdf5_datasets   what a dataset of HDF5 says of itself
matlab          MATLAB files by SciPy and h5py
mdf4            MDF 3 and 4 by asammdf
mdf4_units      its integers in the unit of their channel, in float64
tdms            TDMS by npTDMS
uff58           universal files (UFF58) by pyuff

A file of a logger holds named channels, each with a sample rate and a unit, or without: nothing is guessed. Each format
has one module, which uses the library that is kept for that format.
"""
