"""Networks, and what several encoders or views share. No plugin lives here.

front_ends/        waveforms to spectra, mel bands and densities, before any network
checkpoints/       files of trained networks, read without running them
running/           how a network is run: layers, device, memory, windows
as_onnx/           front ends and networks as ONNX

vit                the Vision Transformer, as audio encoders use it
crossed_positions  a transformer with one position for time and one for band
stages             networks that are a row of stages
position_bias      attention with a bias of how far apart two tokens are
beats              the network of BEATs
beats_checkpoint   checkpoints of BEATs and OpenBEATs
ced_audio          checkpoints of CED
eat                checkpoints and first tokens of EAT
echo               checkpoints and first tokens of ECHO
fisher             checkpoints and first tokens of FISHER
mobilenet          MobileNetV3 of EfficientAT
dymn               DyMN of EfficientAT
panns              the convolutional networks of PANNs
autoencoder        the autoencoder of the official baseline, and its training
"""
