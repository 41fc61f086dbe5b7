"""The bundled plugins: one file, one idea. They use asdcore's public names only, as anyone's plugin does.

bundled       the names of all bundled plugins

datasets/     data sets -> clips
views/        channels of a recording -> waveform
encoders/     waveform -> tokens
scorers/      features -> scores
normalizers/  scores -> z
guards/       what is taken back of a score

trained/      no plugins: training of encoders
nn/           no plugins: networks, and how they are run
stats/        no plugins: statistics that several plugins share
"""
