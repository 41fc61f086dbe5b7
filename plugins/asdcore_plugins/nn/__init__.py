"""What several encoders or views share: front ends, checkpoints, transformer blocks. No plugin lives here."""
