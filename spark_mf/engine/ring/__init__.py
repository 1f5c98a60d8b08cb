"""How the members of a barrier stage exchange arrays: straight from worker to worker, round a ring."""

from spark_mf.engine.ring.barrier import RingSettings, enter_ring
from spark_mf.engine.ring.connection import RingError
from spark_mf.engine.ring.ring import Ring, join_ring

__all__ = ["Ring", "RingError", "RingSettings", "enter_ring", "join_ring"]
