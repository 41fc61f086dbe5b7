"""Write, pack and check a submission to the challenge."""
