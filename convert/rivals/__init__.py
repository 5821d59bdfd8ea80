"""What edge-llasm is measured against, where it takes PyTorch or other files of the same sizes."""
