"""Utilities for running Spark jobs: job descriptions, session state, and settings of Python workers."""
