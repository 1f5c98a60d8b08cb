"""Parts of the fitted models: factor DataFrames, recommendations and persistence."""
