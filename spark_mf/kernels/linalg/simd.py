"""Vector micro-kernels, written as LLVM IR, on which the least-squares kernels stand.

LLVM does not find register tiles by itself: a plain triple loop for the Gram matrix reaches about a
third of what the tile below reaches. Each function here is a numba intrinsic that works on whole
vectors of `LANES` float32 at arbitrary (4-byte aligned) element offsets, and trusts its caller to stay
inside the arrays. `LANES` follows the processor, and numba's cache is keyed by the processor, so a
cached kernel is never used on another kind.

| intrinsic | computes |
|---|---|
| `add_tile`, `subtract_tile` | G[i:i+TILE_ROWS, j:j+TILE_COLUMNS] ±= X[:, i:…]ᵀ X[:, j:…], a rank-m update |
| `row_dots` | out[0:LANES] = X[0:LANES, 0:n] · v[0:n], LANES dot products at once |
| `add_rows` | y[0:n] += Σ_r q[r] X[r, 0:n] over LANES rows |

Offsets count elements of the flattened arrays; a leading dimension (`ld…`) is the distance of two rows.
"""

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic as _numba_intrinsic

#: numba types an intrinsic by its signature before lowering; calls pass one argument less.
intrinsic: Any = _numba_intrinsic


def _lanes() -> int:
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx2") else 4


LANES = _lanes()
#: A tile's accumulators (TILE_ROWS × 2 vectors) hide the latency of two fused multiply-adds per cycle.
TILE_ROWS = 4
TILE_COLUMNS = 2 * LANES

_FLOAT = ir.FloatType()
INT32 = ir.IntType(32)
_INDEX = ir.IntType(8 * np.intp(0).itemsize)


def index(value: int) -> ir.Constant:
    return ir.Constant(_INDEX, value)


class Emitter:
    """Emits loads, stores and fused multiply-adds of vectors of `lanes` float32 at element offsets of numba arrays."""

    def __init__(self, context: Any, builder: ir.IRBuilder, signature: Any, lanes: int = LANES) -> None:
        self.context, self.builder, self.signature, self.lanes = context, builder, signature, lanes
        self.vector = ir.VectorType(_FLOAT, lanes)
        self.fma_function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self.vector, [self.vector] * 3), f"llvm.fma.v{lanes}f32"
        )

    def data(self, args: Any, position: int, offset: ir.Value | None = None) -> ir.Value:
        array_type = self.signature.args[position]
        array = cgutils.create_struct_proxy(array_type)(self.context, self.builder, args[position])
        return array.data if offset is None else self.at(array.data, offset)

    def at(self, pointer: ir.Value, offset: ir.Value) -> ir.Value:
        return self.builder.gep(pointer, [offset])

    def load(self, pointer: ir.Value) -> ir.Value:
        loaded = self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()))
        loaded.align = 4
        return loaded

    def store(self, value: ir.Value, pointer: ir.Value) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, self.vector.as_pointer())).align = 4

    def splat(self, scalar: ir.Value) -> ir.Value:
        undefined = ir.Constant(self.vector, ir.Undefined)
        return self.lane_splat(self.builder.insert_element(undefined, scalar, INT32(0)), 0)

    def lane_splat(self, vector: ir.Value, lane: int) -> ir.Value:
        return self.shuffle(vector, ir.Constant(self.vector, ir.Undefined), [lane] * self.lanes)

    def shuffle(self, left: ir.Value, right: ir.Value, lanes: list[int]) -> ir.Value:
        mask = ir.Constant(ir.VectorType(INT32, self.lanes), lanes)
        return self.builder.shuffle_vector(left, right, mask)

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        return self.builder.call(self.fma_function, [a, b, c])

    def prefetch(self, pointer: ir.Value) -> None:
        byte_pointer = ir.IntType(8).as_pointer()
        function = cgutils.get_or_insert_function(
            self.builder.module, ir.FunctionType(ir.VoidType(), [byte_pointer] + [INT32] * 3), "llvm.prefetch.p0"
        )
        read, keep, data = INT32(0), INT32(3), INT32(1)
        self.builder.call(function, [self.builder.bitcast(pointer, byte_pointer), read, keep, data])

    def constant(self, value: float) -> ir.Constant:
        return ir.Constant(self.vector, [value] * self.lanes)

    def loop(
        self,
        stop: ir.Value,
        step: int,
        carried: list[ir.Value],
        body: Callable[[ir.Value, list[ir.Value]], list[ir.Value]],
    ) -> list[ir.Value]:
        """Emit `for i in range(0, stop, step)` with values carried in registers; return their last values."""
        builder, before = self.builder, self.builder.block
        inside, after = builder.append_basic_block("loop"), builder.append_basic_block("after")
        builder.cbranch(builder.icmp_signed("<", index(0), stop), inside, after)
        builder.position_at_end(inside)
        i = builder.phi(_INDEX)
        phis = [builder.phi(value.type) for value in carried]
        updated = body(i, phis)
        following = builder.add(i, index(step))
        end = builder.block
        i.add_incoming(index(0), before)
        i.add_incoming(following, end)
        for phi, first, next_value in zip(phis, carried, updated, strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(next_value, end)
        builder.cbranch(builder.icmp_signed("<", following, stop), inside, after)
        builder.position_at_end(after)
        results = [builder.phi(value.type) for value in carried]
        for result, first, last in zip(results, carried, updated, strict=True):
            result.add_incoming(first, before)
            result.add_incoming(last, end)
        return results


def _tile_intrinsic(negative: bool) -> Any:
    @intrinsic
    def tile(typingctx, g, ldg, x, x_offset, ldx, m, i, j):  # type: ignore[no-untyped-def]
        """Add to (or subtract from) a tile of `g` at (i, j) the products of m rows of `x`, from `x_offset` on."""
        signature = types.void(g, types.intp, x, types.intp, types.intp, types.intp, types.intp, types.intp)

        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            _, ldg, _, x_offset, ldx, m, i, j = args
            emit = Emitter(context, builder, signature)
            g_data, x_data = emit.data(args, 0), emit.data(args, 2, x_offset)
            left, right = emit.at(x_data, i), emit.at(x_data, j)
            targets = [
                emit.at(
                    g_data,
                    builder.add(builder.mul(builder.add(i, index(r)), ldg), builder.add(j, index(c))),
                )
                for r in range(TILE_ROWS)
                for c in (0, LANES)
            ]

            def step(p: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
                offset = builder.mul(p, ldx)
                columns = [emit.load(emit.at(right, builder.add(offset, index(c)))) for c in (0, LANES)]
                updated = []
                for r in range(TILE_ROWS):
                    scalar = builder.load(emit.at(left, builder.add(offset, index(r))))
                    factor = emit.splat(builder.fneg(scalar) if negative else scalar)
                    updated += [emit.fma(factor, columns[c], sums[2 * r + c]) for c in (0, 1)]
                return updated

            sums = emit.loop(m, 1, [emit.load(target) for target in targets], step)
            for value, target in zip(sums, targets, strict=True):
                emit.store(value, target)
            return context.get_dummy_value()

        return signature, generate

    return tile


add_tile = _tile_intrinsic(negative=False)
subtract_tile = _tile_intrinsic(negative=True)


@intrinsic
def row_dots(typingctx, x, x_offset, ldx, v, v_offset, n, out, out_offset):  # type: ignore[no-untyped-def]
    """Write the dot products of LANES rows of `x` with `v[v_offset : v_offset + n]` (n a multiple of LANES)."""
    signature = types.void(x, types.intp, types.intp, v, types.intp, types.intp, out, types.intp)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        _, x_offset, ldx, _, v_offset, n, _, out_offset = args
        emit = Emitter(context, builder, signature)
        x_data, v_data = emit.data(args, 0, x_offset), emit.data(args, 3, v_offset)
        rows = [emit.at(x_data, builder.mul(ldx, index(r))) for r in range(LANES)]

        def step(c: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
            chunk = emit.load(emit.at(v_data, c))
            return [emit.fma(emit.load(emit.at(row, c)), chunk, total) for row, total in zip(rows, sums, strict=True)]

        sums = emit.loop(n, LANES, [emit.constant(0.0)] * LANES, step)
        emit.store(_sum_lanes(emit, sums), emit.data(args, 6, out_offset))
        return context.get_dummy_value()

    return signature, generate


def _sum_lanes(emit: Emitter, vectors: list[ir.Value]) -> ir.Value:
    """Return one vector whose lane r is the sum of the lanes of `vectors[r]` (a transposing tree of adds)."""
    distance = 1
    while len(vectors) > 1:
        # A lane of the pair's sum belongs to the first vector where its bit `distance` is 0.
        low = [lane if not lane & distance else LANES + lane - distance for lane in range(LANES)]
        high = [lane + distance if not lane & distance else LANES + lane for lane in range(LANES)]
        vectors = [
            emit.builder.fadd(emit.shuffle(a, b, low), emit.shuffle(a, b, high))
            for a, b in zip(vectors[0::2], vectors[1::2], strict=True)
        ]
        distance *= 2
    return vectors[0]


@intrinsic
def add_rows(typingctx, y, y_offset, x, x_offset, ldx, q, q_offset, n):  # type: ignore[no-untyped-def]
    """Add Σ_r q[q_offset + r] · x[row r] over LANES rows to `y[y_offset : y_offset + n]`, n a multiple of LANES."""
    signature = types.void(y, types.intp, x, types.intp, types.intp, q, types.intp, types.intp)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        _, y_offset, _, x_offset, ldx, _, q_offset, n = args
        emit = Emitter(context, builder, signature)
        y_data, x_data = emit.data(args, 0, y_offset), emit.data(args, 2, x_offset)
        weights = emit.load(emit.data(args, 5, q_offset))
        factors = [emit.lane_splat(weights, r) for r in range(LANES)]
        rows = [emit.at(x_data, builder.mul(ldx, index(r))) for r in range(LANES)]

        def step(c: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            target = emit.at(y_data, c)
            even, odd = emit.load(target), emit.constant(0.0)
            for r in range(0, LANES, 2):
                even = emit.fma(emit.load(emit.at(rows[r], c)), factors[r], even)
                odd = emit.fma(emit.load(emit.at(rows[r + 1], c)), factors[r + 1], odd)
            emit.store(builder.fadd(even, odd), target)
            return []

        emit.loop(n, LANES, [], step)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def prefetch(typingctx, x, offset):  # type: ignore[no-untyped-def]
    """Ask the processor to bring the cache line of flattened element `offset` of `x` near."""
    signature = types.void(x, types.intp)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        emit = Emitter(context, builder, signature)
        emit.prefetch(emit.data(args, 0, args[1]))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def scale(typingctx, y, y_offset, n, factor):  # type: ignore[no-untyped-def]
    """Multiply `y[y_offset : y_offset + n]` by the float32 `factor`, n a multiple of LANES."""
    signature = types.void(y, types.intp, types.intp, types.float32)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        emit = Emitter(context, builder, signature)
        data, factors = emit.data(args, 0, args[1]), emit.splat(args[3])

        def step(c: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            target = emit.at(data, c)
            emit.store(builder.fmul(emit.load(target), factors), target)
            return []

        emit.loop(args[2], LANES, [], step)
        return context.get_dummy_value()

    return signature, generate
