"""Bundled encoders: waveforms -> tokens.

logmel              the log-mel spectrogram of the official baseline
melspec             the mel amplitudes of torchaudio
stereo_logmel       log-mel spectrograms of both microphones, and their coherence
coherence           how the near and the far channel are related
embedding_residual  tokens of the near channel less a share of those of the far one
modulation          how fast and how deeply each mel band beats
psd_shape           power spectral density, less its level

ast                 the Audio Spectrogram Transformer
audiomae            the masked autoencoder of Meta
beats               BEATs of Microsoft, and OpenBEATs
ced_audio           CED, Consistent Ensemble Distillation; not the scorer ``ced``
clap                the audio half of LAION's CLAP
dasheng             masked autoencoders of Xiaomi
eat                 the Efficient Audio Transformer
echo                machine signals at any sample rate
efficientat         small convolutional networks taught by transformers
fisher              machine sounds, vibration and currents at any sample rate
panns               pretrained audio neural networks
passt               the Patchout faSt Spectrogram Transformer
pe_audio            the audio half of Meta's Perception Encoder
speech              WavLM, HuBERT and data2vec
whisper             the encoder half of Whisper

discriminative      a network that is trained to tell machines and attributes apart
imported            features that were computed elsewhere
hear                any module with the HEAR API
onnx                a model in an ONNX or TFLite file

bases/              base classes
"""
