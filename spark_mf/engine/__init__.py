"""How rating blocks and factors meet on Spark; no arithmetic of its own."""
