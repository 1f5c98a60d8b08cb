"""How factors reach the blocks of ratings, and how new rows get back: one fit's iterations on Spark."""
