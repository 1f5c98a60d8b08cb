"""From ids and rating rows to dense indices, CSR rating blocks and balanced partitions."""
