"""What hears the waveform before a network does: spectra, mel filter banks, bands."""
