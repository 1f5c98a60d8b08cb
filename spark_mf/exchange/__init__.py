"""Exchanges: they run the iterations of a fit on Spark and move factors between the driver and the tasks."""
