"""The plan of generated ratings."""
