"""The random numbers of `spark_mf.kernels.random` in plain NumPy, whole arrays at a time."""

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64] | np.uint64

_WORD = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def philox4x32(c0: Words, c1: Words, c2: Words, c3: Words, k0: Words, k1: Words) -> tuple[Words, Words, Words, Words]:
    """Ten rounds of Philox4x32 over arrays (or scalars) of words that broadcast against each other."""
    for _ in range(10):
        product_0 = np.uint64(0xD2511F53) * c0
        product_1 = np.uint64(0xCD9E8D57) * c2
        c0, c1 = (product_1 >> _SHIFT) ^ c1 ^ k0, product_1 & _WORD
        c2, c3 = (product_0 >> _SHIFT) ^ c3 ^ k1, product_0 & _WORD
        k0 = (k0 + np.uint64(0x9E3779B9)) & _WORD
        k1 = (k1 + np.uint64(0xBB67AE85)) & _WORD
    return c0, c1, c2, c3


def standard_normal(seed: int, purpose: int, rows: NDArray[np.int64], columns: int) -> NDArray[np.float32]:
    """Return float32[n, columns] by Box and Muller's √(-2 ln u)·(cos 2πv, sin 2πv), four columns from four words."""
    words = _words(seed, purpose, rows, -(-columns // 4))
    normals = np.empty(words.shape)
    for first in (0, 2):
        radius = np.sqrt(-2.0 * np.log((words[:, :, first] + 0.5) * 2.0**-32))
        angle = words[:, :, first + 1] * (2.0 * np.pi * 2.0**-32)
        normals[:, :, first] = radius * np.cos(angle)
        normals[:, :, first + 1] = radius * np.sin(angle)
    return normals.reshape(rows.shape[0], words.shape[1] * 4)[:, :columns].astype(np.float32, order="C")


def uniform(seed: int, purpose: int, rows: NDArray[np.int64], columns: int) -> NDArray[np.float64]:
    """Return float64[n, columns] in [0, 1), two columns from four words."""
    words = _words(seed, purpose, rows, -(-columns // 2))
    pairs = words.reshape(rows.shape[0], words.shape[1] * 2, 2)
    bits = ((pairs[:, :, 0] << _SHIFT) | pairs[:, :, 1]) >> np.uint64(11)
    return np.ascontiguousarray((bits * 2.0**-53)[:, :columns])


def _words(seed: int, purpose: int, rows: NDArray[np.int64], blocks: int) -> NDArray[np.uint64]:
    """Return the generator's words, uint64[n, blocks, 4], each below 2**32."""
    key = np.uint64(seed % 2**64)
    row = rows.astype(np.uint64)[:, np.newaxis]
    block = np.arange(blocks, dtype=np.uint64)[np.newaxis, :]
    words = philox4x32(row & _WORD, row >> _SHIFT, block, np.uint64(purpose), key & _WORD, key >> _SHIFT)
    return np.stack(words, axis=2)
