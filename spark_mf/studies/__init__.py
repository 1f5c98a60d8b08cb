"""Eight small experiments that show how factorization behaves: rows, pictures and a short report each.

A study is written once and fits the classes of `spark_mf.textbook` or those of `spark_mf`, whose names and Params are
the same.
"""
