"""Study of the parts that nonnegative and unconstrained factors represent."""
