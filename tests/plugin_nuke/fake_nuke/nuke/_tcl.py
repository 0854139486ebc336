"""As much TCL as a .nk file needs: words, substitution, and the few commands that knobs evaluate."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

_UNESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


class TclError(RuntimeError):
    """A script that Nuke would not read."""


def unescape(text: str) -> str:
    """Backslash sequences as TCL reads them."""
    return re.sub(r"\\(.)", lambda match: _UNESCAPED.get(match.group(1), match.group(1)), text, flags=re.DOTALL)


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a script, each as raw words: quotes and braces still around them."""
    for line in _split(text, "\n;"):
        found = raw_words(line)
        if found and not found[0].startswith("#"):
            yield found


def raw_words(text: str) -> list[str]:
    """The words of one command or list, delimiters still around them."""
    return [word for word in _split(text, " \t\n\r") if word]


def value(word: str) -> str:
    """A list element's text: braces keep everything, quotes and bare words are unescaped."""
    if word.startswith("{"):
        if not word.endswith("}"):
            raise TclError(f"extra characters after close-brace in {word[:40]!r}")
        return word[1:-1]
    if word.startswith('"'):
        if len(word) < 2 or not word.endswith('"'):
            raise TclError(f"extra characters after close-quote in {word[:40]!r}")
        return unescape(word[1:-1])
    return unescape(word)


def quoted(text: str) -> str:
    """``text`` as one word, the way Nuke writes it."""
    if re.fullmatch(r"[A-Za-z0-9_.:/%+*#-]+", text):
        return text
    escaped = re.sub(r'([\\"\[\]{}$])', r"\\\1", text).replace("\n", "\\n")
    return f'"{escaped}"'


def _split(text: str, separators: str) -> list[str]:
    parts: list[str] = []
    start = 0
    closing: list[str] = []
    # Only these letters mean anything, or a pair that a backslash begins.
    for found in re.finditer(rf'\\.?|["{{}}\[\]{separators}]', text, re.DOTALL):
        letter, position = found[0], found.start()
        if letter[0] == "\\":
            continue
        if closing and letter == closing[-1]:
            closing.pop()
        elif letter == '"' and "}" not in closing and not (closing and closing[-1] == '"'):
            closing.append('"')
        elif letter == "{" and (not closing or closing[-1] == "}"):
            closing.append("}")
        elif letter == "[" and "}" not in closing:
            closing.append("]")
        elif letter in "}]" and not closing:
            raise TclError(f"unbalanced {letter!r} near {text[max(0, position - 30) : position + 1]!r}")
        elif letter in separators and not closing:
            parts.append(text[start:position])
            start = position + 1
    if closing:
        raise TclError(f"missing {closing[-1]!r} after {text[start : start + 40]!r}")
    parts.append(text[start:])
    return parts


def substitute(text: str, run: Callable[[list[str]], str]) -> str:
    """``[command]`` replaced by what ``run`` answers, inside first; then backslashes."""
    result, position = "", 0
    while position < len(text):
        letter = text[position]
        if letter == "\\" and position + 1 < len(text):
            following = text[position + 1]
            result += _UNESCAPED.get(following, following)
            position += 2
        elif letter == "[":
            end = _closing_bracket(text, position)
            result += run([_word(word, run) for word in raw_words(text[position + 1 : end])])
            position = end + 1
        else:
            result += letter
            position += 1
    return result


def _word(word: str, run: Callable[[list[str]], str]) -> str:
    """A command is split into words before they are substituted, so the result of a nested command stays one word,
    spaces and all (Tcl manual, Tcl(n), rules 3 and 11)."""
    if word.startswith("{"):
        return value(word)
    return substitute(word[1:-1] if word.startswith('"') else word, run)


def _closing_bracket(text: str, start: int) -> int:
    depth = 0
    for position in range(start, len(text)):
        depth += {"[": 1, "]": -1}.get(text[position], 0)
        if depth == 0:
            return position
    raise TclError(f"missing close-bracket in {text!r}")


def run_command(words: list[str], look_up: Callable[[str], str], exists: Callable[[str], bool]) -> str:
    """The commands that knobs use; anything else is an error, as in Nuke."""
    if words[0] in ("value", "numvalue") and len(words) == 2:
        return look_up(words[1])
    if words[:2] == ["file", "dirname"] and len(words) == 3:
        return os.path.dirname(words[2]) or "."  # noqa: PTH120 - TCL's own rule for text, not a path of ours
    if words[0] == "exists" and len(words) == 2:
        return str(int(exists(words[1])))
    if words[0] == "getenv" and len(words) == 2:
        return os.environ.get(words[1], "")
    if words == ["frame"]:
        return look_up("frame")
    if words[0] == "python" and len(words) == 2:
        import nuke

        found = eval(words[1], {"nuke": nuke})
        return str(int(found) if isinstance(found, bool) else found)
    raise TclError(f'invalid command name "{words[0]}"')
