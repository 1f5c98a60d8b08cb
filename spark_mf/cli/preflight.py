"""Check of the machine's Python and Java before anything is installed or started.

Any ``python3`` may run this script, so it uses only the standard library and the syntax of Python 3.6: an outdated
interpreter must be able to report that it is outdated.
"""

import os
import re
import shutil
import subprocess
import sys

MINIMUM_PYTHON = (3, 11)
MINIMUM_JAVA = 17

_INSTALL_JAVA = (
    "Install one with `sudo apt-get install openjdk-17-jre-headless` or `openjdk-21-jre-headless` "
    "(Debian, Ubuntu), `brew install --cask temurin@17` (macOS) "
    "or `sudo dnf install java-21-openjdk-headless` (Fedora)"
)
_INSTALL_PYTHON = (
    "Install one with `sudo apt-get install python3.11 python3.11-venv` (Debian, Ubuntu), "
    "`brew install python@3.12` (macOS) or `sudo dnf install python3.12` (Fedora), "
    "or select an installed one with `make PYTHON=/path/to/python3`"
)


def require_python(version: tuple = tuple(sys.version_info[:3])) -> None:
    """Check the version of the running interpreter.

    Raises
    ------
    RuntimeError
        If it is older than `MINIMUM_PYTHON`.
    """
    if version[:2] < MINIMUM_PYTHON:
        raise RuntimeError(
            "Python must be version {}.{} or newer, got {}, which is Python {}. {}.".format(
                *MINIMUM_PYTHON, sys.executable, ".".join(map(str, version)), _INSTALL_PYTHON
            )
        )


def require_venv() -> None:
    """Check that the interpreter can create virtual environments, for which Debian has a separate package.

    Raises
    ------
    RuntimeError
        If it cannot.
    """
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        raise RuntimeError(
            "{} cannot create virtual environments because its venv module is incomplete. Install it with "
            "`sudo apt-get install python{}.{}-venv` (Debian, Ubuntu).".format(sys.executable, *sys.version_info[:2])
        ) from None


def require_java() -> int:
    """Return the major version, such as 17, of the Java that Spark would start.

    That is the one of JAVA_HOME if it is set, otherwise the first on PATH.

    Raises
    ------
    RuntimeError
        If there is no Java, it does not run, or it is older than `MINIMUM_JAVA`.
    """
    java = _find_java()
    version = _version_of(java)
    if version < MINIMUM_JAVA:
        raise RuntimeError(
            "Java must be version {} or newer, got {}, which is Java {}. {}, and set JAVA_HOME to it if it is not "
            "the first java on PATH.".format(MINIMUM_JAVA, java, version, _INSTALL_JAVA)
        )
    return version


def _find_java() -> str:
    home = os.environ.get("JAVA_HOME")
    if home:
        java = shutil.which(os.path.join(home, "bin", "java"))
        if java is None:
            raise RuntimeError(
                "JAVA_HOME must be a folder with a program bin/java, got {!r}. Set it to the folder of Java {} or "
                "newer, or unset it to use the java on PATH.".format(home, MINIMUM_JAVA)
            )
        return java
    java = shutil.which("java")
    if java is None:
        raise RuntimeError(
            "Java must be version {} or newer, got no java on PATH and no JAVA_HOME. {}.".format(
                MINIMUM_JAVA, _INSTALL_JAVA
            )
        )
    return java


def _version_of(java: str) -> int:
    try:
        run = subprocess.run(
            [java, "-version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError("{} does not run ({}). {}.".format(java, error, _INSTALL_JAVA)) from None
    # Up to Java 8 the major version is the second number ("1.8.0_392"); early-access builds print "22-ea".
    found = re.search(r'version "(?:1\.)?(\d+)', run.stdout)
    if found is None:
        # macOS has a /usr/bin/java that only reports that no Java is installed.
        printed = run.stdout.strip().splitlines()
        raise RuntimeError(
            "{} -version must print a version, got {!r}. {}.".format(
                java, printed[0] if printed else "nothing", _INSTALL_JAVA
            )
        )
    return int(found.group(1))


def main() -> int:
    """Print the first problem on stderr; return 1 if there is one, else 0."""
    try:
        require_python()
        require_venv()
        require_java()
    except RuntimeError as error:
        sys.stderr.write("{}\n".format(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
