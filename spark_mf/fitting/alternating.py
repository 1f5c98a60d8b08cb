"""The base class of ALS and GD, whose iterations consist of a half-step for items and one for users."""

from abc import abstractmethod
from contextlib import ExitStack
from typing import TypeVar

from pyspark import SparkContext

from spark_mf.exchange.base import Exchange
from spark_mf.exchange.broadcast import BroadcastHalfSteps
from spark_mf.exchange.extrapolation import Extrapolation
from spark_mf.exchange.half_step import HalfStepTask
from spark_mf.exchange.ring_half_steps import RingHalfSteps
from spark_mf.exchange.stopping import StoppingRules
from spark_mf.fitting.estimator import _Factorizer
from spark_mf.kernels.row_layout import RowLayout
from spark_mf.model import FactorModel
from spark_mf.objectives.base import Objective
from spark_mf.params.alternating import _AlternatingParams
from spark_mf.ratings.base import LayoutPlan, PreparedRatings, Sizes
from spark_mf.resources.blocks import blocks_asked, default_blocks
from spark_mf.resources.engine_selection import RING, choose_engine, task_slots
from spark_mf.resources.limits import require_memory
from spark_mf.resources.memory import half_steps_plan
from spark_mf.solvers.base import RowSolver

M = TypeVar("M", bound=FactorModel)


class _AlternatingFactorizer(_Factorizer[M], _AlternatingParams):
    """Base class of estimators whose iterations consist of a half-step for items and one for users.

    Ratings are laid out in blocks by user and in blocks by item, so that a block has all ratings of its rows.
    """

    _ignored_params = ("numUserBlocks", "numItemBlocks")

    @abstractmethod
    def _solver(self, n_ratings: float) -> RowSolver:
        """Return the solver of rows, for a number of training ratings or the sum of their weights."""

    def _extrapolation(self) -> Extrapolation | None:
        """Return the extrapolation of the factors between half-steps."""
        return None

    def _row_layout(self) -> RowLayout:
        return RowLayout(self.getRank())

    def _rules(self, objective: Objective) -> StoppingRules:
        patience = self.getEarlyStoppingPatience()
        if patience and not objective.n_validation:
            raise ValueError(
                f"validation rows must exist with earlyStoppingPatience={patience}, got none of known users and items. "
                f"Mark some in {self.getValidationIndicatorCol()!r}, or use earlyStoppingPatience=0."
            )
        return StoppingRules(
            max_iterations=self.getMaxIter(), change_tol=self.getTol(), patience=patience, keeps_best=patience > 0
        )

    def _plan(self, context: SparkContext, sizes: Sizes) -> LayoutPlan:
        slots = task_slots(context)
        open_blocks = default_blocks(sizes.ratings, slots)
        user_blocks = sizes.user_blocks or blocks_asked("numUserBlocks", self.getNumUserBlocks(), sizes.users)
        item_blocks = sizes.item_blocks or blocks_asked("numItemBlocks", self.getNumItemBlocks(), sizes.items)
        user_blocks = user_blocks or min(open_blocks, sizes.users)
        item_blocks = item_blocks or min(open_blocks, sizes.items)
        n_members = min(slots, user_blocks, item_blocks)
        engine = choose_engine(context, self.getEngine(), n_members, "broadcast")
        is_ring = engine == RING
        solver = self._solver(sizes.ratings)
        memory = half_steps_plan(
            sizes.in_blocks(
                user_blocks, item_blocks, n_members if is_ring else min(slots, max(user_blocks, item_blocks))
            ),
            self.getRank(),
            has_bias=self._row_layout().bias,
            is_ring=is_ring,
            needs_previous=solver.needs_previous,
            alternates=solver.alternates,
            has_tol=self.getTol() > 0,
            keeps_best=self.getEarlyStoppingPatience() > 0,
            extrapolates=self._extrapolation() is not None,
        )
        require_memory(context, type(self).__name__, memory)
        return LayoutPlan(
            engine=engine,
            user_blocks=user_blocks,
            item_blocks=item_blocks,
            n_members=n_members if is_ring else None,
            needs_items=True,
        )

    def _exchange(
        self,
        context: SparkContext,
        ratings: PreparedRatings,
        objective: Objective,
        rules: StoppingRules,
        mean: float,
        cleanup: ExitStack,
    ) -> Exchange:
        assert ratings.by_item is not None
        task = HalfStepTask(
            estimator=type(self).__name__,
            width=self._row_layout().width,
            objective=objective,
            solver=self._solver(ratings.counts.weight),
            rules=rules,
            extrapolation=self._extrapolation(),
        )
        if ratings.engine == RING:
            return RingHalfSteps(context, ratings.by_user, ratings.by_item, task, self.getRingTimeout())
        return BroadcastHalfSteps(context, ratings.by_user, ratings.by_item, task)
