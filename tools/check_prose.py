"""Check the language of documents, docstrings, comments and commit subjects: ``python -m tools.check_prose``.

Refuses the words and sentence openings below, which hide the field's own terms. Inline code and fenced code in Markdown
are not read. ``make prose`` checks everything; ``make lint`` leaves out the paths in ``tool.prose.pending`` of
``pyproject.toml``, a list that only shrinks.
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUBJECT_LENGTH = 72

BANNED = {
    "anew": "again",
    "oftener": "more often",
    "sooner": "earlier, faster",
    "beside": "next to, in addition to",
    "be there": "exist",
    "for who": "for users who",
    "told": "returned, logged, notified",
    "said": "returned, stated",
    "tells": "returns, states",
    "looks": "polls, scans, checks",
    "kept": "stored, cached, retained",
    "found": "returned, detected, matched",
}
"""Words that are not used, with what to write instead; ``not found`` is the name of a status."""

_WORDS = "|".join(BANNED).replace(" ", r"\s+")
_WORD = re.compile(rf"(?<![\w-])(?<!not )({_WORDS})(?![\w-])", re.IGNORECASE)
_OPENING = re.compile(
    r"(?:\A|\n\s*\n|[.!?:;]\s)\s*(Whoever|Whatever|Whose|Who|What|Of\s+who)\b(?!'s)[^.?!]*(?P<end>[.?!]|\Z)"
)
_SUBJECT = re.compile(r"^[a-z][\w./, -]*: \S")
_CODE = re.compile(r"``[^`]+``|`[^`\n]+`|https?://\S+|\]\([^)]*\)|<[^>\n]+>")
_FENCE = re.compile(r"^\s*(```|~~~)")
# Not prose: type checkers and linters read them.
_DIRECTIVE = re.compile(r"#\s*(noqa|type:|pragma|!|fmt:|ruff:)")


@dataclass(frozen=True, slots=True)
class Finding:
    """A place that breaks a rule."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        """Return the finding as compilers write it."""
        return f"{self.path}:{self.line}: {self.message}"


def word_faults(text: str) -> Iterator[tuple[int, str]]:
    """Yield offset and message of each banned word of a text without code."""
    for match in _WORD.finditer(text):
        word = " ".join(match[1].lower().split())
        yield match.start(), f'"{word}" is not used; write {BANNED[word]}'


def opening_faults(text: str) -> Iterator[tuple[int, str]]:
    """Yield offset and message of each sentence that opens with a relative clause; questions may."""
    for match in _OPENING.finditer(text):
        if match["end"] != "?":
            yield match.start(1), f'a sentence does not open with "{" ".join(match[1].split())}"; name the subject'


def without_code(text: str) -> str:
    """Return the text with code, links and tags replaced by characters of the same length."""
    return _CODE.sub(lambda match: "_" * len(match[0]), text)


def _faults(text: str, *, openings: bool = True) -> Iterator[tuple[int, str]]:
    plain = without_code(text)
    yield from word_faults(plain)
    if openings:
        yield from opening_faults(plain)


def check_markdown(text: str, *, path: str) -> Iterator[Finding]:
    """Yield the findings of a Markdown document; headings and table rows may open as they like."""
    is_code, paragraph = False, list[tuple[int, str]]()
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if _FENCE.match(line):
            is_code = not is_code
        is_prose = bool(line.strip()) and not is_code and not _FENCE.match(line)
        is_flow = is_prose and not re.match(r"\s*(\||#)", line)
        starts_item = bool(re.match(r"\s*([-*+]|\d+\.)\s", line))
        if paragraph and (not is_flow or starts_item):
            yield from _paragraph_findings(paragraph, path=path)
            paragraph = []
        if is_flow:
            paragraph.append((number, re.sub(r"^\s*(?:[-*+>]|\d+\.)?\s+|\*\*", "", line)))
        elif is_prose:
            yield from (Finding(path, number, message) for _, message in _faults(line, openings=False))


def _paragraph_findings(lines: list[tuple[int, str]], *, path: str) -> Iterator[Finding]:
    text = " ".join(line for _, line in lines)
    starts, position = [], 0
    for number, line in lines:
        starts.append((position, number))
        position += len(line) + 1
    for offset, message in _faults(text):
        yield Finding(path, next(number for start, number in reversed(starts) if start <= offset), message)


def check_python(source: str, *, path: str) -> Iterator[Finding]:
    """Yield the findings in docstrings (those of attributes included) and comments of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            text = node.value.value
            for offset, message in _faults(text):
                yield Finding(path, node.lineno + text.count("\n", 0, offset), message)
    for line, text in _comments(source):
        yield from (Finding(path, line, message) for _, message in _faults(text))


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield blocks of comments, joined to one text, with their first line."""
    block, first, last = list[str](), 0, -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or _DIRECTIVE.match(token.string):
            continue
        text = re.sub(r"\s*#\s*noqa\b.*", "", token.string.lstrip("#").strip())
        row = token.start[0]
        if block and row == last + 1 and token.line.strip().startswith("#"):
            block.append(text)
        else:
            if block:
                yield first, " ".join(block)
            block, first = [text], row
        last = row
    if block:
        yield first, " ".join(block)


def check_file(path: Path, *, root: Path = ROOT) -> list[Finding]:
    """Return the findings of a file, by line."""
    name, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
    check = check_python if path.suffix == ".py" else check_markdown
    return sorted(check(text, path=name), key=lambda finding: finding.line)


def check_subject(subject: str) -> list[str]:
    """Return what is wrong with the subject of a commit."""
    wrong = []
    if len(subject) > SUBJECT_LENGTH:
        wrong.append(f"is longer than {SUBJECT_LENGTH} characters")
    if not _SUBJECT.match(subject):
        wrong.append("has no scope such as `events: `")
    return wrong + [message for _, message in _faults(subject)]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def branch_subjects(base: str) -> list[str]:
    """Return the subjects of the commits that ``base`` does not have, merges apart."""
    return _git("log", "--no-merges", "--format=%s", f"{base}..HEAD").splitlines()


def files() -> list[Path]:
    """Return the Markdown and Python files of the repository."""
    names = _git("ls-files", "--cached", "--others", "--exclude-standard", "*.md", "*.py").splitlines()
    return [ROOT / name for name in sorted(set(names)) if (ROOT / name).exists()]


def pending_paths() -> list[str]:
    """Return the paths that are not clean yet."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    paths: list[str] = project["tool"]["prose"]["pending"]
    return paths


def is_below(path: str, folders: Sequence[str]) -> bool:
    """Return whether a path is one of the folders or files, or below one."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and report; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.check_prose", description="Check the language.")
    parser.add_argument("paths", nargs="*", help="files or folders; everything if none is named")
    parser.add_argument("--skip-pending", action="store_true", help="leave out the paths of tool.prose.pending")
    parser.add_argument("--summary", action="store_true", help="print the number of findings by folder only")
    parser.add_argument("--base", default=os.environ.get("PROSE_BASE", "main"), help="branch to compare subjects with")
    options = parser.parse_args(arguments)
    pending = pending_paths()
    findings, by_pending = list[Finding](), dict.fromkeys(pending, 0)
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        if options.paths and not is_below(name, [given.rstrip("/") for given in options.paths]):
            continue
        found_here = check_file(path)
        for folder in pending:
            by_pending[folder] += len(found_here) if is_below(name, [folder]) else 0
        if not (options.skip_pending and is_below(name, pending)):
            findings += found_here
    wrong = [f"{finding}" for finding in findings]
    if not options.paths:
        wrong += [
            f"commit {subject!r}: {fault}" for subject in _subjects(options.base) for fault in check_subject(subject)
        ]
        wrong += [
            f"pyproject.toml: {name} is clean; take it out of tool.prose.pending"
            for name, n in by_pending.items()
            if not n
        ]
    _report(findings if options.summary else [], wrong)
    return 1 if wrong else 0


def _subjects(base: str) -> list[str]:
    try:
        return branch_subjects(base)
    except subprocess.CalledProcessError:
        sys.stderr.write(f"The branch {base} is not in this clone, so commit subjects were not checked.\n")
        return []


def _report(summarized: list[Finding], wrong: list[str]) -> None:
    if not summarized:
        sys.stdout.write("".join(f"{line}\n" for line in wrong))
        return
    counts: dict[str, int] = {}
    for finding in summarized:
        folder = "/".join(finding.path.split("/")[:2])
        counts[folder] = counts.get(folder, 0) + 1
    sys.stdout.write("".join(f"{count:5} {folder}\n" for folder, count in sorted(counts.items())))


if __name__ == "__main__":
    sys.exit(main())
