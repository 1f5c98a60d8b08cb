"""Vector micro-kernels of stochastic gradient descent, on rows that `RowLayout` lays out.

Like those of `simd`, but for vectors of `SLOT_LANES` float32 on every processor, as rows are padded to them.
A lane of a slot's width n is a factor, a bias, a one or padding; which of them shows only in the lane's step.

| intrinsic | computes |
|---|---|
| `dot` | x[0:n] · y[0:n] |
| `step_item_first`, `step_together` | the plain step of one rating on both of its rows |
| `add_gradient` | g[0:n] += the gradient of one rating with respect to one row |
| `apply_sgd`, `apply_momentum`, `apply_adagrad`, `apply_adam` | the optimizer's step of one row, then g = 0 |
| `prefetch_row` | asks for every cache line of a row |

Offsets count elements of the flattened arrays; every n is a multiple of `SLOT_LANES`.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from spark_mf.kernels.linalg.simd import INT32, Emitter, index, intrinsic
from spark_mf.kernels.sgd.update import SLOT_LANES

#: Independent sums hide the latency of a fused multiply-add.
_UNROLL = 4
_CACHE_LINE = 16  # float32 values

_Values = list[ir.Value]


class _RowEmitter(Emitter):
    """Emits sweeps over the vectors of rows."""

    def __init__(self, context: Any, builder: ir.IRBuilder, signature: Any) -> None:
        super().__init__(context, builder, signature, SLOT_LANES)

    def sweep(self, n: ir.Value, body: Callable[[ir.Value], None]) -> None:
        """Emit body(c) for each vector c = 0, SLOT_LANES, … below n."""

        def group(c: ir.Value, _: _Values) -> _Values:
            for k in range(_UNROLL):
                body(self.builder.add(c, index(k * SLOT_LANES)))
            return []

        def single(c: ir.Value, _: _Values) -> _Values:
            body(self.builder.add(grouped, c))
            return []

        grouped = self.builder.and_(n, index(-SLOT_LANES * _UNROLL))
        self.loop(grouped, SLOT_LANES * _UNROLL, [], group)
        self.loop(self.builder.sub(n, grouped), SLOT_LANES, [], single)

    def sum_lanes(self, vector: ir.Value) -> ir.Value:
        distance = SLOT_LANES // 2
        while distance:
            moved = self.shuffle(vector, vector, [(lane + distance) % SLOT_LANES for lane in range(SLOT_LANES)])
            vector = self.builder.fadd(vector, moved)
            distance //= 2
        return self.builder.extract_element(vector, INT32(0))

    def square_root(self, vector: ir.Value) -> ir.Value:
        function = cgutils.get_or_insert_function(
            self.builder.module, ir.FunctionType(self.vector, [self.vector]), f"llvm.sqrt.v{SLOT_LANES}f32"
        )
        return self.builder.call(function, [vector])


@intrinsic
def dot(typingctx, x, x_offset, y, y_offset, n):  # type: ignore[no-untyped-def]
    """Return the float32 inner product of `x[x_offset : x_offset + n]` and `y[y_offset : y_offset + n]`."""
    signature = types.float32(x, types.intp, y, types.intp, types.intp)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        _, x_offset, _, y_offset, n = args
        emit = _RowEmitter(context, builder, signature)
        x_data, y_data = emit.data(args, 0, x_offset), emit.data(args, 2, y_offset)

        def added(c: ir.Value, total: ir.Value) -> ir.Value:
            return emit.fma(emit.load(emit.at(x_data, c)), emit.load(emit.at(y_data, c)), total)

        def group(c: ir.Value, sums: _Values) -> _Values:
            return [added(builder.add(c, index(k * SLOT_LANES)), total) for k, total in enumerate(sums)]

        grouped = builder.and_(n, index(-SLOT_LANES * _UNROLL))
        sums = emit.loop(grouped, SLOT_LANES * _UNROLL, [emit.constant(0.0)] * _UNROLL, group)

        def single(c: ir.Value, sums: _Values) -> _Values:
            return [added(builder.add(grouped, c), sums[0])]

        sums[:1] = emit.loop(builder.sub(n, grouped), SLOT_LANES, sums[:1], single)
        pairs = [builder.fadd(a, b) for a, b in zip(sums[0::2], sums[1::2], strict=True)]
        return emit.sum_lanes(builder.fadd(*pairs))

    return signature, generate


def _step_intrinsic(item_first: bool) -> Any:
    @intrinsic
    def step(typingctx, users, u, items, v, n_factors, n, error, user_share, item_share, lanes):  # type: ignore[no-untyped-def]
        """Step both rows of a rating: `users[u : u + n]` and `items[v : v + n]`.

        `lanes` float32[4, n] holds for each lane the doubled step of users and of items, then these times λ. It
        is the same over the first `n_factors` lanes (a multiple of SLOT_LANES), where registers hold it.
        """
        signature = types.void(
            users,
            types.intp,
            items,
            types.intp,
            types.intp,
            types.intp,
            types.float32,
            types.float32,
            types.float32,
            lanes,
        )

        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            _, u, _, v, n_factors, n, error, user_share, item_share, _ = args
            emit = _RowEmitter(context, builder, signature)
            user_row, item_row, lane_data = emit.data(args, 0, u), emit.data(args, 2, v), emit.data(args, 9)
            lane_rows = [emit.at(lane_data, builder.mul(n, index(r))) for r in range(4)]
            errors = emit.splat(error)
            shares = [emit.splat(builder.fneg(share)) for share in (user_share, item_share)]

            def coefficients(steps: _Values) -> _Values:
                """Return the factors of the other side's row and of the row itself in its update, for both sides."""
                gains = [builder.fmul(errors, steps[side]) for side in (0, 1)]
                return gains + [builder.fmul(shares[side], steps[2 + side]) for side in (0, 1)]

            def move(c: ir.Value, user_gain: ir.Value, item_gain: ir.Value, user_pull: ir.Value, item_pull: ir.Value):  # type: ignore[no-untyped-def]
                user_at, item_at = emit.at(user_row, c), emit.at(item_row, c)
                user, item = emit.load(user_at), emit.load(item_at)
                new_item = emit.fma(item_gain, user, emit.fma(item_pull, item, item))
                partner = new_item if item_first else item
                new_user = emit.fma(user_gain, partner, emit.fma(user_pull, user, user))
                emit.store(new_item, item_at)
                emit.store(new_user, user_at)

            of_factors = coefficients([emit.splat(builder.load(row)) for row in lane_rows])
            emit.sweep(n_factors, lambda c: move(c, *of_factors))

            def move_mixed(c: ir.Value) -> None:
                lane = builder.add(n_factors, c)
                move(lane, *coefficients([emit.load(emit.at(row, lane)) for row in lane_rows]))

            emit.sweep(builder.sub(n, n_factors), move_mixed)
            return context.get_dummy_value()

        return signature, generate

    return step


step_item_first = _step_intrinsic(item_first=True)
step_together = _step_intrinsic(item_first=False)


@intrinsic
def add_gradient(typingctx, g, g_offset, own, own_offset, other, other_offset, n, error, share, penalty):  # type: ignore[no-untyped-def]
    """Add −2(error·other − share·penalty∘own) to `g[g_offset : g_offset + n]`; `penalty` float32[n]."""
    signature = types.void(
        g, types.intp, own, types.intp, other, types.intp, types.intp, types.float32, types.float32, penalty
    )

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        _, g_offset, _, own_offset, _, other_offset, n, error, share, _ = args
        emit = _RowEmitter(context, builder, signature)
        g_data, own_data = emit.data(args, 0, g_offset), emit.data(args, 2, own_offset)
        other_data, penalty_data = emit.data(args, 4, other_offset), emit.data(args, 9)
        errors = emit.splat(builder.fmul(error, ir.Constant(error.type, -2.0)))
        shares = emit.splat(builder.fmul(share, ir.Constant(share.type, 2.0)))

        def add(c: ir.Value) -> None:
            target = emit.at(g_data, c)
            pull = builder.fmul(shares, emit.load(emit.at(penalty_data, c)))
            total = emit.fma(pull, emit.load(emit.at(own_data, c)), emit.load(target))
            emit.store(emit.fma(errors, emit.load(emit.at(other_data, c)), total), target)

        emit.sweep(n, add)
        return context.get_dummy_value()

    return signature, generate


#: Emits the change of one vector from its place, its gradient and its steps.
_Change = Callable[[ir.Value, ir.Value, ir.Value], ir.Value]


def _apply_intrinsic(optimizer: Callable[[_RowEmitter, ir.Value, ir.Value, _Values], _Change]) -> Any:
    """Return the intrinsic of an optimizer, which is given the row, a slot's width and the settings."""

    @intrinsic
    def apply(typingctx, rows, row, g, g_offset, n, steps, settings):  # type: ignore[no-untyped-def]
        """Step the row at `rows[row]` against `g[g_offset : g_offset + n]`, and set that to 0.

        `steps` float32[n]; `settings` float32[4]: momentum, beta1, beta2, epsilon.
        """
        signature = types.void(rows, types.intp, g, types.intp, types.intp, steps, settings)

        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            _, row, _, g_offset, n, _, _ = args
            emit = _RowEmitter(context, builder, signature)
            row_data, g_data = emit.data(args, 0, row), emit.data(args, 2, g_offset)
            steps_data, settings_data = emit.data(args, 5), emit.data(args, 6)
            settings = [builder.load(emit.at(settings_data, index(k))) for k in range(4)]
            change = optimizer(emit, row_data, n, settings)

            def move(c: ir.Value) -> None:
                target, gradient_at = emit.at(row_data, c), emit.at(g_data, c)
                gradient, steps = emit.load(gradient_at), emit.load(emit.at(steps_data, c))
                emit.store(builder.fadd(emit.load(target), change(c, gradient, steps)), target)
                emit.store(emit.constant(0.0), gradient_at)

            emit.sweep(n, move)
            return context.get_dummy_value()

        return signature, generate

    return apply


def _sgd(emit: _RowEmitter, row: ir.Value, n: ir.Value, settings: _Values) -> _Change:
    return lambda c, gradient, steps: emit.builder.fneg(emit.builder.fmul(steps, gradient))


def _momentum(emit: _RowEmitter, row: ir.Value, n: ir.Value, settings: _Values) -> _Change:
    kept, velocities = emit.splat(settings[0]), emit.at(row, n)

    def change(c: ir.Value, gradient: ir.Value, steps: ir.Value) -> ir.Value:
        place = emit.at(velocities, c)
        push = emit.builder.fmul(steps, gradient)
        velocity = emit.builder.fsub(emit.builder.fmul(kept, emit.load(place)), push)
        emit.store(velocity, place)
        return velocity

    return change


def _adagrad(emit: _RowEmitter, row: ir.Value, n: ir.Value, settings: _Values) -> _Change:
    epsilon, sums = emit.splat(settings[3]), emit.at(row, n)

    def change(c: ir.Value, gradient: ir.Value, steps: ir.Value) -> ir.Value:
        place = emit.at(sums, c)
        total = emit.fma(gradient, gradient, emit.load(place))
        emit.store(total, place)
        divisor = emit.builder.fadd(emit.square_root(total), epsilon)
        return emit.builder.fdiv(emit.builder.fneg(emit.builder.fmul(steps, gradient)), divisor)

    return change


def _adam(emit: _RowEmitter, row: ir.Value, n: ir.Value, settings: _Values) -> _Change:
    """Keeps 1 − β^t, what a moment's average of t terms lacks to 1, instead of t: it needs no power."""
    builder, one = emit.builder, ir.Constant(settings[0].type, 1.0)
    betas, fresh, corrections, moments = [], [], [], []
    for k, beta in enumerate(settings[1:3]):
        moments.append(emit.at(row, builder.mul(n, index(k + 1))))
        place = emit.at(row, builder.add(builder.mul(n, index(3)), index(k)))
        complement = builder.fsub(one, beta)
        weight = builder.fadd(builder.fmul(beta, builder.load(place)), complement)
        builder.store(weight, place)
        betas.append(emit.splat(beta))
        fresh.append(emit.splat(complement))
        corrections.append(emit.splat(builder.fdiv(one, weight)))
    epsilon = emit.splat(settings[3])

    def change(c: ir.Value, gradient: ir.Value, steps: ir.Value) -> ir.Value:
        corrected = []
        for k, sample in enumerate((gradient, builder.fmul(gradient, gradient))):
            place = emit.at(moments[k], c)
            moment = emit.fma(betas[k], emit.load(place), builder.fmul(fresh[k], sample))
            emit.store(moment, place)
            corrected.append(builder.fmul(moment, corrections[k]))
        divisor = builder.fadd(emit.square_root(corrected[1]), epsilon)
        return builder.fdiv(builder.fneg(builder.fmul(steps, corrected[0])), divisor)

    return change


apply_sgd = _apply_intrinsic(_sgd)
apply_momentum = _apply_intrinsic(_momentum)
apply_adagrad = _apply_intrinsic(_adagrad)
apply_adam = _apply_intrinsic(_adam)


@intrinsic
def prefetch_row(typingctx, x, offset, n):  # type: ignore[no-untyped-def]
    """Ask the processor to bring `x[offset : offset + n]` near; assumes that a row starts at a whole vector."""
    signature = types.void(x, types.intp, types.intp)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        emit = _RowEmitter(context, builder, signature)
        row = emit.data(args, 0, args[1])

        def fetch(c: ir.Value, _: _Values) -> _Values:
            emit.prefetch(emit.at(row, c))
            return []

        emit.loop(args[2], _CACHE_LINE, [], fetch)
        return context.get_dummy_value()

    return signature, generate
