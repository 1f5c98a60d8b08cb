"""Tests of which package may import which, and that there are no import cycles."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: What each package or module at the root may import, besides itself; CONTRIBUTING.md draws the map.
MAY_IMPORT = {
    "version": "",
    "kernels": "version",
    "textbook": "",
    "params": "",
    "runtime": "",
    "blocks": "kernels",
    "solvers": "kernels",
    "evaluation": "data",
    "storage": "runtime",
    "resources": "runtime",
    "objectives": "blocks kernels solvers",
    "data": "kernels runtime storage",
    "ratings": "blocks data kernels params resources runtime storage version",
    "exchange": "blocks kernels objectives ratings resources runtime solvers",
    "models": "data kernels params resources runtime storage",
    "model": "data models params resources runtime",
    "fitting": "blocks data exchange kernels model models objectives params ratings resources runtime solvers storage",
    "als": "exchange fitting kernels model objectives params ratings solvers",
    "gd": "exchange fitting kernels model params ratings solvers",
    "sgd": "blocks exchange fitting kernels model objectives params ratings resources solvers",
    "__init__": "als fitting gd model ratings sgd version",
}
PUBLIC = "__init__ als gd model sgd version"
MAY_IMPORT |= {
    "cli": f"{PUBLIC} data ratings resources runtime storage",
    "benchmarks": f"{PUBLIC} cli data evaluation fitting kernels models params ratings resources storage",
    "studies": f"{PUBLIC} benchmarks cli data evaluation models params textbook",
    "jobs": "benchmarks cli data fitting ratings storage studies",
}

#: Third-party packages that a package may import; others may import any.
LIBRARIES = {
    "kernels": "llvmlite numba numpy scipy",
    "textbook": "numpy",
    "blocks": "numpy",
    "solvers": "numpy",
    "objectives": "numpy",
    "params": "numpy pyspark",
}


def modules() -> dict[str, Path]:
    """Dotted names of all modules, such as "kernels.jit" and "jobs.bench", and their files."""
    found = {}
    for path in (ROOT / "spark_mf").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT / "spark_mf").with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found | {f"jobs.{path.stem}": path for path in (ROOT / "jobs").glob("*.py")}


MODULES = modules()


def imported(path: Path) -> set[str]:
    """Dotted names of what a file imports anywhere: in functions and for type checking, too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                names.add(whole if whole.removeprefix("spark_mf.") in MODULES else str(node.module))
    return names


def own(names: set[str]) -> set[str]:
    """Names within spark_mf; "__init__" for the package itself."""
    return {
        "__init__" if name == "spark_mf" else name.removeprefix("spark_mf.") for name in names if "spark_mf" in name
    }


def room(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_only_what_its_package_may(name):
    names = imported(MODULES[name])
    allowed = {room(name), *MAY_IMPORT[room(name)].split()}
    assert {module for module in own(names) if room(module) not in allowed} == set()
    if room(name) in LIBRARIES:
        others = {room(module) for module in names - {n for n in names if n.startswith("spark_mf")}}
        libraries = {other for other in others if other not in set(__import__("sys").stdlib_module_names)}
        assert libraries <= set(LIBRARIES[room(name)].split())


def test_the_packages_can_be_put_in_an_order():
    graph = {name: set(may.split()) for name, may in MAY_IMPORT.items()}
    assert set(TopologicalSorter(graph).static_order()) == set(graph)


def test_no_module_imports_itself_by_a_detour():
    graph = {name: {module for module in own(imported(path)) if module != name} for name, path in MODULES.items()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as cycle:
        pytest.fail(f"these modules import each other in a circle: {' → '.join(cycle.args[1])}")


def test_no_folder_has_more_modules_than_a_reader_takes_in():
    folders = {path.parent for path in MODULES.values()}
    crowded = {f.name: n for f in folders if (n := len(list(f.glob("*.py")))) > 15}
    assert crowded == {}
