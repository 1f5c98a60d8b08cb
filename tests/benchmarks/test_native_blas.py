"""Tests of the selection of the BLAS library of a JVM."""

import pytest

from spark_mf.benchmarks.native_blas import library_folders, loaded_libraries, openblas_environment, require_blas

NATIVE, IN_JAVA = "native (JNIBLAS, JNILAPACK)", "no native library, in Java (VectorBLAS, F2jLAPACK)"


@pytest.fixture
def unpacked(tmp_path):
    """A package's folders: the libraries in one, and what they need in the one above."""
    inner = tmp_path / "lib" / "openblas"
    inner.mkdir(parents=True)
    for path in (inner / "libblas.so.3", inner / "liblapack.so.3", tmp_path / "lib" / "libgfortran.so.5"):
        path.touch()
    return tmp_path


def test_all_folders_with_libraries_are_searched(unpacked):
    assert set(library_folders(unpacked)) == {unpacked / "lib", unpacked / "lib" / "openblas"}


def test_folders_go_before_those_searched_already(unpacked, monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/before")
    found = openblas_environment(unpacked)
    assert found["LD_LIBRARY_PATH"].split(":")[-1] == "/before"
    assert found["OPENBLAS_NUM_THREADS"] == "1"
    assert "LD_LIBRARY_PATH" not in openblas_environment(None)


def test_a_folder_without_the_libraries_is_refused(unpacked):
    (unpacked / "lib" / "openblas" / "liblapack.so.3").unlink()
    with pytest.raises(FileNotFoundError, match=r"must contain liblapack\.so\.3, got .*\. Install OpenBLAS"):
        library_folders(unpacked)
    with pytest.raises(FileNotFoundError, match="absent"):
        library_folders(unpacked / "absent")


def test_the_right_library_is_named_with_its_files():
    assert require_blas(NATIVE, ["a/libopenblas.so.0"], wants_openblas=True) == f"{NATIVE}: a/libopenblas.so.0"
    assert require_blas(IN_JAVA, [], wants_openblas=False) == IN_JAVA


@pytest.mark.parametrize(
    ("used", "libraries"),
    [(IN_JAVA, []), (NATIVE, ["blas/libblas.so.3"]), ("native in part (JNIBLAS, F2jLAPACK)", ["libopenblas.so"])],
)
def test_anything_but_openblas_is_refused_with_the_way_out(used, libraries):
    with pytest.raises(RuntimeError, match="libopenblas0-pthread"):
        require_blas(used, libraries, wants_openblas=True)


def test_a_native_library_is_refused_where_none_was_wanted():
    with pytest.raises(RuntimeError, match="no native library"):
        require_blas("native in part (JNIBLAS, F2jLAPACK)", [], wants_openblas=False)


def test_libraries_are_read_from_the_jvm(spark):
    assert all("jni" not in name for name in loaded_libraries(spark))
