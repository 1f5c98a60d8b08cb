"""Ten small experiments on the behaviour of matrix factorization, each with result rows, plots and a short report.

A study is written once and fits the classes of `spark_mf.textbook` or those of `spark_mf`, whose names and Params are
the same.
"""
