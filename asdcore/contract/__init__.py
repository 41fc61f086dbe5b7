"""What a plugin is: the Protocols, the hooks, the loader, and which files are a plugin's source.

hookspecs       every hook, in the order in which a clip meets them
interfaces      the Protocols that plugins satisfy
component       one thing that a plugin offers: name, source, factory
discovery       which plugins are installed
plugins         finds plugins, and builds components by name
build_errors    why a component was not built
source_code/    which files are a plugin's source

tokens          the output of an encoder
references      what a clip is compared with, domains, metrics
training        a trainable encoder, and what it is given
train_clips     the train normals that such an encoder learns from, and nothing else
left_out_clips  the clips that the out-of-fold score of a train normal leaves out
gain            what a recorder's gain does to an encoder's tokens
long_sound      how long recordings reach views and encoders: in blocks
additive        what makes a score divisible among features exactly
onnx/           writes formulas as ONNX
"""
