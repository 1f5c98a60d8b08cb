"""What ALS and GD share: both improve all items, then all users, block by block, iteration after iteration."""

import time
from abc import abstractmethod
from contextlib import ExitStack, closing
from typing import TypeVar

import numpy as np
from pyspark import SparkContext
from pyspark.sql import DataFrame, SparkSession

from spark_mf.params.alternating import _BlockedParams
from spark_mf.fitting.checkpoint import SavedFit
from spark_mf.resources.engine_selection import RING, choose_engine, task_slots
from spark_mf.models.factors import factors_frame
from spark_mf.engine.half_step import Factors, RowMethod, Subproblem
from spark_mf.engine.half_step_broadcast import BroadcastEngine
from spark_mf.engine.half_step_ring import RingEngine
from spark_mf.engine.iteration import Iteration, State, has_converged
from spark_mf.resources.limits import require_memory
from spark_mf.resources.memory import half_steps_plan
from spark_mf.fitting.estimator import _Factorizer, default_blocks, validation_rmse
from spark_mf.kernels.objective import objective
from spark_mf.kernels.random import Purpose
from spark_mf.model import FactorModel
from spark_mf.ratings.folder import PartitionedRatings
from spark_mf.ratings.preparation import Plan, PreparedRatings, Sizes, blocks_asked
from spark_mf.models.summary import IterationRecord
from spark_mf.fitting.warm_start import load_initial_model

# Params that change results by rounding only: a saved fit may go on with others.
_UNLIKE = ("numUserBlocks", "numItemBlocks")

M = TypeVar("M", bound=FactorModel)


class _BlockedFactorizer(_Factorizer[M], _BlockedParams):
    """An estimator whose iteration is a half-step for all items and one for all users.

    Ratings are laid out in blocks by user and by item, so that a block has all ratings of its rows; factors meet them
    by one of the two engines.
    """

    #: What a fit returns.
    _model: type[M]

    @abstractmethod
    def _validate(self) -> None:
        """Refuse every Param value that a fit cannot use."""

    @abstractmethod
    def _method(self, n_ratings: int) -> RowMethod:
        """Return how a half-step improves rows, for a number of training ratings."""

    @abstractmethod
    def _solver_name(self) -> str:
        """Return what the summary calls the method."""

    @abstractmethod
    def _initial_rows(self, purpose: Purpose, n_rows: int) -> Factors:
        """Return random factors, float32[n_rows, rank], which depend on seed, purpose and row alone."""

    @abstractmethod
    def _no_longer_finite(self, number: int) -> str:
        """Return the sentence on an iteration after which factors are not finite, with the way out."""

    def _fit(self, dataset: DataFrame | PartitionedRatings) -> M:
        began = time.perf_counter()
        self._validate()
        session = dataset.sparkSession
        with ExitStack() as held:
            ratings = self._prepare(dataset, self._plan, held)
            setup_seconds = time.perf_counter() - began
            state, history = self._iterate(session, ratings, began)
            users = factors_frame(session, ratings.users.index.ids, state.users)
            items = factors_frame(session, ratings.items.index.ids, state.items)
            users, items = self._in_original_ids(users, items, ratings)
        summary = self._summary(
            ratings,
            history,
            began,
            setupSeconds=setup_seconds,
            solver=self._solver_name(),
            stoppedEarly=self._has_converged(history),
        )
        rating_range = ratings.counts.lowest, ratings.counts.highest
        return self._copyValues(self._model(users, items, self.getRank(), summary, ratingRange=rating_range))

    def _plan(self, context: SparkContext, sizes: Sizes) -> Plan:
        """Choose engine and blocks, and refuse what the session has no memory for."""
        slots = task_slots(context)
        open_blocks = default_blocks(sizes.ratings, slots)
        user_blocks = sizes.user_blocks or blocks_asked(self, "numUserBlocks", sizes.users)
        item_blocks = sizes.item_blocks or blocks_asked(self, "numItemBlocks", sizes.items)
        user_blocks = user_blocks or min(open_blocks, sizes.users)
        item_blocks = item_blocks or min(open_blocks, sizes.items)
        n_members = min(slots, user_blocks, item_blocks)
        engine = choose_engine(context, self.getEngine(), n_members, "broadcast")
        is_ring = engine == RING
        method = self._method(sizes.ratings)
        memory = half_steps_plan(
            sizes.in_blocks(
                user_blocks, item_blocks, n_members if is_ring else min(slots, max(user_blocks, item_blocks))
            ),
            self.getRank(),
            is_ring=is_ring,
            needs_previous=method.needs_previous,
            alternates=method.alternates,
            has_tol=self.getTol() > 0,
        )
        require_memory(context, type(self).__name__, memory)
        return Plan(engine, user_blocks, item_blocks, n_members if is_ring else None, needs_items=True)

    def _initial_state(self, session: SparkSession, ratings: PreparedRatings) -> State:
        """Return random rows, and where `initialModel` knows a user or an item, its factors."""
        state = State(
            self._initial_rows(Purpose.USER_FACTORS, len(ratings.users)),
            self._initial_rows(Purpose.ITEM_FACTORS, len(ratings.items)),
        )
        path = self.getInitialModel()
        if path is not None:
            initial = load_initial_model(session, path, self.getRank(), ratings)
            state.users[initial.users.rows] = initial.users.factors
            state.items[initial.items.rows] = initial.items.factors
        return state

    def _iterate(
        self, session: SparkSession, ratings: PreparedRatings, began: float
    ) -> tuple[State, list[IterationRecord]]:
        """Run the iterations that are not saved yet, and save them on the way."""
        history: list[IterationRecord] = []
        checkpoint = self._checkpoint(session, ratings, _UNLIKE)
        saved = checkpoint and checkpoint.load()
        if saved:
            history = list(saved.history)
            state = State(saved.arrays["users"], saved.arrays["items"])
        else:
            state = self._initial_state(session, ratings)
        engine = self._engine(session.sparkContext, ratings)
        for numbers in self._intervals(len(history)):
            if self._has_converged(history):
                break
            # Closed at once, whatever happens, so that the engine frees what it has sent.
            with closing(engine.iterate(state, numbers, self.getMaxIter())) as iterations:
                for iteration in iterations:
                    if not iteration.is_finite:
                        raise ArithmeticError(self._no_longer_finite(iteration.number))
                    history.append(self._record(iteration, ratings))
                    self._report(history[-1], began)
            if checkpoint:
                checkpoint.save(SavedFit(tuple(history), {"users": state.users, "items": state.items}, {}))
        return state, history

    def _engine(self, context: SparkContext, ratings: PreparedRatings) -> BroadcastEngine | RingEngine:
        assert ratings.by_item is not None
        problem = Subproblem(
            estimator=type(self).__name__,
            rank=self.getRank(),
            regParam=self.getRegParam(),
            regularization=self.getRegularization(),
            n_ratings=ratings.ratings,
            method=self._method(ratings.ratings),
            tol=self.getTol(),
        )
        if ratings.engine == RING:
            return RingEngine(context, ratings.by_user, ratings.by_item, problem, self.getRingTimeout())
        return BroadcastEngine(context, ratings.by_user, ratings.by_item, problem)

    def _has_converged(self, history: list[IterationRecord]) -> bool:
        """Whether the last iteration changed the product by less than tol, as one that was saved may have."""
        return bool(history) and has_converged(history[-1].product_change, self.getTol())

    def _record(self, iteration: Iteration, ratings: PreparedRatings) -> IterationRecord:
        squared_error, n_ratings = iteration.squared_error, ratings.ratings
        return IterationRecord(
            iteration=iteration.number,
            seconds=iteration.seconds,
            objective=objective(squared_error, iteration.penalties, self.getRegularization(), n_ratings),
            train_rmse=float(np.sqrt(squared_error / n_ratings)),
            validation_rmse=validation_rmse(iteration.validation_squared_error, ratings),
            product_change=iteration.product_change,
            kernel_seconds=iteration.kernel_seconds,
        )
