"""Spark's storage levels by name."""

from pyspark import StorageLevel

# Python data is always serialized, so the JVM's "_SER" names denote the same levels as the names without "_SER".
STORAGE_LEVELS = {
    "NONE": StorageLevel.NONE,
    "DISK_ONLY": StorageLevel.DISK_ONLY,
    "DISK_ONLY_2": StorageLevel.DISK_ONLY_2,
    "DISK_ONLY_3": StorageLevel.DISK_ONLY_3,
    "MEMORY_ONLY": StorageLevel.MEMORY_ONLY,
    "MEMORY_ONLY_2": StorageLevel.MEMORY_ONLY_2,
    "MEMORY_ONLY_SER": StorageLevel.MEMORY_ONLY,
    "MEMORY_ONLY_SER_2": StorageLevel.MEMORY_ONLY_2,
    "MEMORY_AND_DISK": StorageLevel.MEMORY_AND_DISK,
    "MEMORY_AND_DISK_2": StorageLevel.MEMORY_AND_DISK_2,
    "MEMORY_AND_DISK_SER": StorageLevel.MEMORY_AND_DISK,
    "MEMORY_AND_DISK_SER_2": StorageLevel.MEMORY_AND_DISK_2,
    "OFF_HEAP": StorageLevel.OFF_HEAP,
}


def storage_level(name: str) -> StorageLevel:
    """Return the storage level of a JVM name such as "MEMORY_AND_DISK_SER".

    Raises
    ------
    ValueError
        If Spark has no storage level of that name.
    """
    if name not in STORAGE_LEVELS:
        raise ValueError(f"storage level must be one of {', '.join(STORAGE_LEVELS)}, got {name!r}.")
    return STORAGE_LEVELS[name]
