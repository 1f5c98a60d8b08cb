"""Dense indices of ids, CSR rating blocks, balanced partitions, and the schedule of SGD."""
