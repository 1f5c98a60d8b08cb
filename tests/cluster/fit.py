"""A program to submit: `fit.py METHOD FOLDER` fits the same ratings twice, with time to disturb the second fit.

It leaves `METHOD-undisturbed.npz` and `METHOD-disturbed.npz` in the folder, and the application's id in `METHOD.id`.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spark_mf import ALS, SGD
from spark_mf.cli.session import local_session
from spark_mf.fitting.progress import show_progress
from spark_mf.models.factors import collect_factors

SHARED: dict[str, Any] = {"rank": 4, "maxIter": 25, "seed": 7, "numUserBlocks": 2, "numItemBlocks": 2}
ESTIMATORS: dict[str, Any] = {
    "ALS": ALS(engine="broadcast", **SHARED),
    "SGD": SGD(engine="ring", checkpointInterval=1, optimizer="momentum", stepSize=0.005, **SHARED),
}


def table() -> pd.DataFrame:
    """20,000 ratings of 500 users and 200 items."""
    rng = np.random.default_rng(11)
    user, item = np.divmod(rng.permutation(500 * 200)[:20_000], 200)
    u, v = rng.normal(0, 0.6, (500, 3)), rng.normal(0, 0.6, (200, 3))
    rating = (3.5 + (u[user] * v[item]).sum(axis=1)).astype(np.float32)
    return pd.DataFrame({"user": user.astype(np.int32), "item": item.astype(np.int32), "rating": rating})


def main() -> None:
    """Fit twice, and write both models."""
    method, folder = sys.argv[1], Path(sys.argv[2])
    show_progress()
    session = local_session(f"two fits of {method}")
    (folder / f"{method}.id").write_text(str(session.sparkContext.applicationId))
    ratings = session.createDataFrame(table()).cache()
    for name in ("undisturbed", "disturbed"):
        print(name, flush=True)
        model = ESTIMATORS[method].fit(ratings)
        arrays: dict[str, Any] = {"rmse": model.summary.metricHistory("train_rmse")}
        for side in ("userFactors", "itemFactors"):
            collected = collect_factors(getattr(model, side))
            arrays |= {side: collected.factors, f"{side} ids": collected.ids.to_numpy()}
        np.savez(folder / f"{method}-{name}.npz", **arrays)
    session.stop()


if __name__ == "__main__":
    main()
