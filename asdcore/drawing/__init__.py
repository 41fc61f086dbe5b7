"""What the report and the pictures of explanations draw alike: spectrograms, and the colours of charts."""
