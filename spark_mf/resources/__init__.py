"""Resources of a fit: memory plans and limits, numbers of blocks, engine selection, and checks of the workers."""
