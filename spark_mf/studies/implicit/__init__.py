"""Study of the error of ratings against the quality of recommendations."""
