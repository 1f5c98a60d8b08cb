"""Registry of the studies, and validation of the settings for each."""

import textwrap

from spark_mf.studies.adam_vs_momentum import ADAM_VS_MOMENTUM
from spark_mf.studies.convergence import CONVERGENCE
from spark_mf.studies.early_stopping import EARLY_STOPPING
from spark_mf.studies.generalization_gap import GENERALIZATION_GAP
from spark_mf.studies.implicit.study import IMPLICIT
from spark_mf.studies.landscape import LANDSCAPE
from spark_mf.studies.nonnegative.study import NONNEGATIVE
from spark_mf.studies.rank import RANK
from spark_mf.studies.regularization import REGULARIZATION
from spark_mf.studies.settings import SPARK, ExperimentSettings
from spark_mf.studies.study import Study
from spark_mf.studies.update_paths import UPDATE_PATHS

STUDIES: tuple[Study, ...] = (
    CONVERGENCE,
    REGULARIZATION,
    RANK,
    EARLY_STOPPING,
    LANDSCAPE,
    GENERALIZATION_GAP,
    UPDATE_PATHS,
    ADAM_VS_MOMENTUM,
    IMPLICIT,
    NONNEGATIVE,
)


def find_study(settings: ExperimentSettings) -> Study:
    """Return the study that the settings name.

    Raises
    ------
    ValueError
        If there is no study of that name, or it does not support the settings.
    """
    names = ", ".join(study.name for study in STUDIES)
    found = [study for study in STUDIES if study.name == settings.name]
    if not found:
        given = "nothing" if settings.name is None else repr(settings.name)
        raise ValueError(f"NAME must be one of {names}, got {given}. --list describes them.")
    (study,) = found
    if study.textbook_only and settings.runner == SPARK:
        raise ValueError(f"--on must be textbook for the study {study.name}, got {SPARK}. Pass --on textbook.")
    if settings.ratings is not None and not study.takes_ratings:
        raise ValueError(
            f"RATINGS must not be given for the study {study.name}, got {settings.ratings!r}. Leave it out."
        )
    return study


def listing() -> str:
    """Return the output of ``--list``: the name and the question of each study."""
    return "\n".join(
        textwrap.fill(study.asks, 100, initial_indent=f"{study.name:20}", subsequent_indent=" " * 20)
        for study in STUDIES
    )
