"""Networks that make an embedding of a waveform, and what they are built of.

by_name            the table of names: build_network
multi_branch       whole spectra and short-time spectra side by side
branch             what every branch has
fft_branch         whole spectra
stft_branch        short-time spectra
residual_block     its residual block
gate               squeeze and excitation
norm               batch normalization without weights
standardize        layers of images with exact sums, on the CPU
written            this network as ONNX

beats_lora         BEATs with LoRA
eat_lora           EAT with LoRA
adapted            what both share
lora               low-rank adapters beside frozen linear maps
attentive_pooling  tokens -> weighted mean and deviation
fbank              Kaldi's filter bank, for training
"""
