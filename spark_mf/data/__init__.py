"""Reading, checking, generating and splitting ratings."""
