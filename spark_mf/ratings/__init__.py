"""Ratings on Spark: from DataFrame rows to laid-out blocks and grids, in memory and in a folder."""
