"""What makes a result final: manifests, the one inference, the submission."""
