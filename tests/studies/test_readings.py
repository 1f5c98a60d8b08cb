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


def test_another_optimizer_is_another_line(make_fitted, sgd_params):
    rows = [
        make_fitted(name, [1.0], params={**sgd_params, "optimizer": name, "batchSize": 1}) for name in ("sgd", "adam")
    ]
    lines = given_to_fits(rows).splitlines()
    assert [line.partition(":")[0] for line in lines[3:]] == ["- sgd", "- adam"]
    assert "step size 0.1 for single ratings" in lines[3]
