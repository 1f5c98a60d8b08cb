"""Check that the packages of the extra `jobs`, which the estimators do not need, are installed."""

import sys
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("matplotlib", "pooch", "psutil", "requests", "tqdm")


def require_jobs_extra() -> None:
    """Exit with code 2 and a short message if a package of the extra `jobs` is not installed."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        program = Path(sys.argv[0]).stem
        sentence = f"the jobs need {', '.join(missing)}. Install the extra: pip install 'spark_mf[jobs]'."
        print(f"{program}: {sentence}", file=sys.stderr)
        raise SystemExit(2)
