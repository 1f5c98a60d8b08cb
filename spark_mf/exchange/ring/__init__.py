"""Direct exchange of arrays between the workers of a barrier stage, which are connected as a ring."""
