"""The jobs that prepare ratings."""
