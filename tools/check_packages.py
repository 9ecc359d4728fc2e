"""Check what a wheel and an sdist contain.

python tools/check_packages.py dist
"""

import sys
import tarfile
import zipfile
from collections.abc import Iterable
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SDIST_TOO = (
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "Containerfile",
    "Makefile",
    "SECURITY.md",
    "constraints.txt",
    "container/start.sh",
    "docs/index.md",
    "hatch_build.py",
    "tests/test_house.py",
)


def wanted_of_wheel() -> list[str]:
    """Every file of the package's source, and the recipes with their schemas."""
    source = ROOT / "src" / "groundtune"
    files = [
        path for path in source.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    ]
    names = [f"groundtune/{path.relative_to(source).as_posix()}" for path in files]
    recipes = [path for path in (ROOT / "recipes").rglob("*") if path.is_file()]
    return names + [f"groundtune/{path.relative_to(ROOT).as_posix()}" for path in recipes]


def missing(wanted: Iterable[str], names: Iterable[str]) -> list[str]:
    """Names that a package lacks."""
    there = set(names)
    return sorted(name for name in wanted if name not in there)


def faults(dist: Path) -> list[str]:
    """What is wrong with the newest wheel and sdist of a folder."""
    wheels, sdists = sorted(dist.glob("*.whl")), sorted(dist.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        return [f"{dist} has {len(wheels)} wheels and {len(sdists)} sdists, not one each"]
    found: list[str] = []
    with zipfile.ZipFile(wheels[0]) as wheel:
        names = wheel.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        text = wheel.read(metadata).decode()
    found += [f"wheel lacks {name}" for name in missing(wanted_of_wheel(), names)]
    licences = [name for name in names if "/licenses/" in name]
    found += [] if len(licences) == 3 else [f"wheel has {len(licences)} licence files, not 3"]
    found += metadata_faults(text)
    with tarfile.open(sdists[0]) as sdist:
        inside = [name.partition("/")[2] for name in sdist.getnames()]
    sources = [f"src/{name}" for name in wanted_of_wheel() if "groundtune/recipes/" not in name]
    found += [f"sdist lacks {name}" for name in missing([*sources, *SDIST_TOO], inside)]
    return found


def metadata_faults(text: str) -> list[str]:
    """What is wrong with a wheel's METADATA: links must be absolute, and addresses there."""
    message = Parser().parsestr(text)
    body = str(message.get_payload())
    found = [f"relative link {link}" for link in ("](docs/", "](LICENSE") if link in body]
    if not message.get_all("Project-URL"):
        found.append("no project URLs")
    if message["Requires-Python"] != ">=3.11":
        found.append(f"Requires-Python is {message['Requires-Python']}")
    return found


if __name__ == "__main__":
    problems = faults(Path(sys.argv[1]))
    print("\n".join(problems) or "wheel and sdist are complete")
    raise SystemExit(1 if problems else 0)
