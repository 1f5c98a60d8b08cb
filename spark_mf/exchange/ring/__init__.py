"""How the members of a barrier stage exchange arrays: straight from worker to worker, round a ring."""
