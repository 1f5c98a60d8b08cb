"""Tests of the conversion of Param values, for every Param of every estimator and model."""

import inspect
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.tuning import ParamGridBuilder

from spark_mf import ALS, GD, SGD, ALSModel, GDModel, SGDModel
from spark_mf.models.persistence import ParamsReader
from spark_mf.params.als import validate_als_params

ESTIMATORS = (ALS, GD, SGD)
CLASSES = (*ESTIMATORS, ALSModel, GDModel, SGDModel)
EVERY_PARAM = [(cls, param.name) for cls in CLASSES for param in cls().params]
#: The condition in the error message of each of pyspark's converters.
#: Params that have the value of another Param, or a constant, where they are not set.
FALLBACKS = ("biasRegParam", "biasStepSize", "itemRegParam", "regExponent", "subspaceSize", "userRegParam")
KINDS = {
    TypeConverters.toInt: "an integer",
    TypeConverters.toFloat: "a number",
    TypeConverters.toString: "a string",
    TypeConverters.toBoolean: "True or False",
}
#: Strategies for the values that each kind of Param accepts.
TAKEN: dict[str, Any] = {
    "an integer": st.integers(1, 100).flatmap(
        lambda n: st.sampled_from([n, float(n), np.int8(n), np.uint16(n), np.int64(n), np.float32(n), np.float64(n)])
    ),
    "a number": st.integers(1, 100).flatmap(
        lambda n: st.sampled_from([n / 4, n, np.float16(n / 4), np.float32(n / 4), np.longdouble(n / 4), np.int32(n)])
    ),
    "a string": st.text(max_size=5).flatmap(lambda text: st.sampled_from([text, np.str_(text)])),
    "True or False": st.booleans().flatmap(lambda flag: st.sampled_from([flag, np.bool_(flag)])),
}
OBJECTS = [object(), [1], (1.0,), {"a": 1}, {1}, b"a", np.bytes_(b"a"), 1j, np.array([1.0]), np.array(1), range(3), int]
REFUSED: dict[str, list[Any]] = {
    "an integer": [*OBJECTS, True, np.bool_(False), "ten", np.str_("1"), 1.5, np.float32(0.5), math.nan, -math.inf],
    "a number": [*OBJECTS, True, np.bool_(True), "0.1", np.str_("0.1"), 10**400],
    "a string": [*OBJECTS, True, 1, 0.5, np.int64(1), np.float32(1)],
    "True or False": [*OBJECTS, 0, 1, 1.0, "true", np.int8(1)],
}
PLAIN = {"an integer": int, "a number": float, "a string": str, "True or False": bool}


def kind_of(cls: type[Params], name: str) -> str:
    return KINDS[getattr(cls, name).typeConverter]


def setter(instance: Any, name: str) -> Any:
    return getattr(instance, f"set{name[0].upper()}{name[1:]}", None)


@given(st.data())
def test_every_param_takes_scalars_of_numpy_and_keeps_plain_values(data):
    cls, name = data.draw(st.sampled_from(EVERY_PARAM))
    kind = kind_of(cls, name)
    value = data.draw(TAKEN[kind])
    one, other = cls()._set(**{name: value}), cls()
    param = other.getParam(name)
    other.set(param, value)
    (in_grid,) = ParamGridBuilder().addGrid(param, [value]).build()
    copied = cls().copy()
    copied = copied.copy({copied.getParam(name): value})
    for stored in (one.getOrDefault(name), other.getOrDefault(name), copied.getOrDefault(name), in_grid[param]):
        assert type(stored) is PLAIN[kind]
        assert stored == value
        assert json.loads(json.dumps(stored)) == stored


@pytest.mark.parametrize(("cls", "name"), EVERY_PARAM)
def test_none_is_not_set(cls, name):
    fresh = cls()
    usual = fresh.getOrDefault(name) if fresh.hasDefault(name) else None

    def given() -> Any:
        kind = kind_of(cls, name)
        return cls()._set(**{name: {"an integer": 7, "a number": 0.75, "a string": "x", "True or False": True}[kind]})

    def copied() -> Any:
        instance = given()
        return instance.copy({instance.getParam(name): None})

    def by_set() -> Any:
        instance = given()
        instance.set(instance.getParam(name), None)
        return instance

    unset = [given()._set(**{name: None}), copied(), by_set()]
    if setter(fresh, name):
        unset.append(setter(given(), name)(None))
    if cls in ESTIMATORS:
        unset.append(given().setParams(**{name: None}))
        if name in inspect.signature(cls).parameters:
            unset.append(cls(**{name: None}))
    for instance in unset:
        assert not instance.isSet(name)
        assert (instance.getOrDefault(name) if instance.isDefined(name) else None) == usual
    getter = getattr(fresh, f"get{name[0].upper()}{name[1:]}", None)
    if getter and name not in FALLBACKS:
        assert getter() == usual
    (in_grid,) = ParamGridBuilder().addGrid(fresh.getParam(name), [None]).build()
    assert not fresh.copy(in_grid).isSet(name)


@pytest.mark.parametrize(("cls", "name"), EVERY_PARAM)
def test_other_types_are_refused_in_a_sentence_with_the_params_name(cls, name):
    kind = kind_of(cls, name)
    instance = cls()
    param = instance.getParam(name)
    refusing = [
        lambda value: instance._set(**{name: value}),
        lambda value: instance.set(param, value),
        lambda value: instance.copy({param: value}),
    ]
    if cls in ESTIMATORS and name in inspect.signature(cls).parameters:
        refusing.append(lambda value: cls(**{name: value}))
    if setter(instance, name):
        refusing.append(setter(instance, name))
    for value in REFUSED[kind]:
        for refuse in refusing:
            with pytest.raises(TypeError) as error:
                refuse(value)
            sentence = str(error.value)
            assert sentence.startswith(f"{name} must be {kind}, got ")
            assert sentence.endswith(".")
            assert "\n" not in sentence
    assert not instance.isSet(name)


def test_the_value_is_shown_as_long_as_it_is_short():
    for value, shown in (("ten", "'ten'"), (["a"] * 100, "a value of type list")):
        with pytest.raises(TypeError, match=f"^rank must be an integer, got {shown}.$"):
            ALS(rank=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_set_params_shows_and_takes_what_the_constructor_takes(cls):
    own, constructor = inspect.signature(cls.setParams), inspect.signature(cls.__init__)
    assert list(own.parameters.values()) == list(constructor.parameters.values())
    assert cls.setParams.__qualname__ == f"{cls.__name__}.setParams"
    estimator = cls(rank=3)
    assert estimator.setParams(maxIter=np.int32(2), regParam=None) is estimator
    assert (estimator.getRank(), estimator.getMaxIter()) == (3, 2)
    with pytest.raises(TypeError, match="setParams must be called with keyword arguments, got 5"):
        estimator.setParams(5)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_numbers_of_blocks_are_open_until_they_are_set(cls):
    estimator = cls()
    for name in ("numUserBlocks", "numItemBlocks"):
        assert inspect.signature(cls).parameters[name].default is None
        assert not estimator.isDefined(name)
        assert "the fit chooses" in estimator.explainParam(name)
        assert estimator.explainParam(name).endswith("(undefined)")
    assert (estimator.getNumUserBlocks(), estimator.getNumItemBlocks()) == (None, None)
    estimator.setNumBlocks(10)
    assert (estimator.getNumUserBlocks(), estimator.getNumItemBlocks()) == (10, 10)
    assert estimator.setNumBlocks(None).getNumItemBlocks() is None


def test_an_estimator_saved_with_a_default_of_blocks_and_with_none_values_loads(tmp_path, monkeypatch):
    """Earlier versions saved pyspark's default of 10 blocks, which no fit used, and null for None."""
    metadata = {
        "class": "spark_mf.als.ALS",
        "uid": "ALS_1",
        "sparkVersion": "4.3.0",
        "paramMap": {"rank": 4, "seed": None},
        "defaultParamMap": {"numUserBlocks": 10, "numItemBlocks": 10, "maxIter": 10},
    }
    reader: ParamsReader[ALS] = ParamsReader(ALS)
    monkeypatch.setattr(reader, "_read_metadata", lambda path: metadata)
    loaded = reader.load(str(tmp_path))
    assert (loaded.getRank(), loaded.getSeed()) == (4, 0)
    assert (loaded.getNumUserBlocks(), loaded.isDefined("numUserBlocks")) == (None, False)
    validate_als_params(loaded)


def test_every_param_has_a_kind():
    for cls in CLASSES:
        for name, param in vars(cls()).items():
            if isinstance(param, Param):
                assert kind_of(cls, name) in PLAIN
