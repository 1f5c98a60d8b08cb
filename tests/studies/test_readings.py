"""Tests of the hyperparameters in the reports of studies."""

from spark_mf.studies.readings import given_to_fits


def test_fits_that_differ_in_what_is_swept_share_a_line(make_fitted, sgd_params):
    als = [make_fitted(f"ALS {lam}", [1.0], rank=rank, regParam=lam) for rank in (2, 4) for lam in (0.1, 0.01)]
    sgd = [make_fitted(f"SGD {size}", [1.0], params={**sgd_params, "stepSize": size}, rank=2) for size in (0.5, 0.25)]
    lines = given_to_fits([*als, *sgd]).splitlines()
    of_als, of_sgd = lines[3:]
    assert of_als.startswith("- 4 fits: ")
    assert "rank 2, 4, λ = 0.01, 0.1, objective" in of_als
    assert of_sgd.startswith("- SGD 0.5; SGD 0.25: ")
    assert "sgd, step size 0.25, 0.5 for the summed gradient of 32 ratings" in of_sgd


def test_biases_of_als_are_named(make_fitted):
    rows = [
        make_fitted("own", [1.0], params={"fitBias": True, "biasRegParam": 0.5}),
        make_fitted("shared", [1.0], params={"fitBias": True}),
        make_fitted("none", [1.0]),
    ]
    own, shared, none = given_to_fits(rows).splitlines()[3:]
    assert "λ = 0.1, biases with λ_b = 0.5, objective" in own
    assert "λ = 0.1, biases with λ_b = λ, objective" in shared
    assert own.endswith("+ λ_b(Σ_u n_u b_u² + Σ_i n_i b_i²).")
    assert "b_u" not in none


def test_another_optimizer_is_another_line(make_fitted, sgd_params):
    rows = [
        make_fitted(name, [1.0], params={**sgd_params, "optimizer": name, "batchSize": 1}) for name in ("sgd", "adam")
    ]
    lines = given_to_fits(rows).splitlines()
    assert [line.partition(":")[0] for line in lines[3:]] == ["- sgd", "- adam"]
    assert "step size 0.1 for single ratings" in lines[3]
