"""The command-line framework of the jobs: settings, session, progress and output."""
