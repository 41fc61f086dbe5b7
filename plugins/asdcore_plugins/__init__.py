"""The bundled plugins: one file, one idea. They use asdcore's public names only, as anyone's plugin does."""
