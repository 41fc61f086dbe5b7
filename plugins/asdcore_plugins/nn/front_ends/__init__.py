"""What turns a waveform into the input of a network: spectra, mel filter banks, bands.

sound          sound that is read piece by piece
stft           short-time spectra
stft_blocks    the same of long recordings, block by block, and the way back
spooled_mels   mel powers of two channels, in a file
welch          Welch's power spectral density
cross_spectra  spectra of two channels, and what they have in common
spectrograms   log-mel and log-magnitude spectrograms, as the encoders' authors define them
mel            mel filter banks, and one that is even in Hz
mel64          the front end of Dasheng and CED
padded_fbank   the front end of AST, EAT and AudioMAE
band_split     spectrograms cut into bands, as FISHER and ECHO do
bands          bands on a logarithmic axis
band_edges     from which to which frequency a band reaches
envelopes      curves over time, made block by block
"""
