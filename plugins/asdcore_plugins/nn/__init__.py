"""What several encoders share: front ends, checkpoints, transformer blocks. No plugin lives here."""
