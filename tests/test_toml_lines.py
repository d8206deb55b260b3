"""Every key and element of a TOML file is found in the line where it was written."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.plan.toml_lines import Path, line_of, lines_of

TEXTS = st.sampled_from(["plain", "[not] a = table", "# no comment", 'quote " in', "it's", "a, b } ]", "", "ä"])
KEYS = st.sampled_from(["a", "b-c", "d_e", "with space", "dotted.key", 'quo"te', "hash#", "[x]", "naïve", "1"])
SCALARS = st.one_of(st.integers(-9, 9), st.booleans(), st.sampled_from([1.5, -2e-3]), TEXTS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=3)
FILES = st.tuples(TABLES, st.lists(TABLES, min_size=1, max_size=3), TABLES)


@dataclass
class Writer:
    """Writes TOML in changing styles and notes in which line each value was put."""

    draw: Any
    text: str = ""
    lines: dict[Path, int] = field(default_factory=dict)

    @property
    def line(self) -> int:
        return self.text.count("\n") + 1

    def put(self, *parts: str) -> None:
        self.text += "".join(parts)

    def pause(self) -> None:
        self.put(self.draw(st.sampled_from(["", "\n", "# comment [a]\n", "  # x = 1\n\n"])))

    def key(self, key: str) -> None:
        bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
        literal = f"'{key}'" if "'" not in key else json.dumps(key)
        self.put(self.draw(st.sampled_from([key if bare else json.dumps(key), json.dumps(key), literal])))

    def assign(self, path: Path, value: Any, *, inline: bool) -> None:
        self.lines[path] = self.line
        self.key(str(path[-1]))
        self.put(self.draw(st.sampled_from(["=", " = "])))
        self.value(path, value, inline=inline)

    def value(self, path: Path, value: Any, *, inline: bool) -> None:
        if isinstance(value, dict):
            self.put("{")
            for number, (key, item) in enumerate(value.items()):
                self.put(", " if number else " ")
                self.assign((*path, key), item, inline=True)
            self.put(" }")
        elif isinstance(value, list):
            self.put("[")
            for number, item in enumerate(value):
                self.put("," if number else "")
                self.put("\n    " if not inline and self.draw(st.booleans()) else " ")
                self.lines[(*path, number)] = self.line
                self.value((*path, number), item, inline=inline)
            self.put(self.draw(st.sampled_from(["]", " ]"] if inline or not value else ["]", ",]", " # end ]\n]"])))
        elif isinstance(value, str) and not inline and value and self.draw(st.booleans()):
            multi = ["'''\n" + value + "'''"] if not value.endswith("'") else []
            self.put(self.draw(st.sampled_from(['"""\\\n   ' + value.replace('"', '\\"') + '"""', *multi])))
        else:
            self.put(json.dumps(value))


@settings(max_examples=150, deadline=None)
@given(FILES, st.data())
def test_every_value_is_found_where_it_was_written(content: tuple[Any, Any, Any], data: Any) -> None:
    top, tables, sub = content
    writer = Writer(data.draw)
    for key, value in top.items():
        writer.pause()
        writer.assign((key,), value, inline=False)
        writer.put("\n")
    for number, table in enumerate(tables):
        writer.pause()
        writer.lines.setdefault(("of", "tables"), writer.line)
        writer.lines.setdefault(("of",), writer.line)
        writer.lines[("of", "tables", number)] = writer.line
        writer.put("[[of.tables]]\n")
        for key, value in table.items():
            writer.pause()
            writer.assign(("of", "tables", number, key), value, inline=False)
            writer.put("\n")
        writer.lines[("of", "tables", number, "sub table")] = writer.line
        writer.put("[of.tables.'sub table'] # sub\n")
        for key, value in sub.items():
            writer.assign(("of", "tables", number, "sub table", key), value, inline=False)
            writer.put("\n")
    expected = {**top, "of": {"tables": [{**table, "sub table": sub} for table in tables]}}
    assert tomllib.loads(writer.text) == expected
    found = lines_of(writer.text)
    assert {path: found.get(path) for path in writer.lines} == writer.lines


def test_what_is_missing_is_looked_for_around_it() -> None:
    text = "a = 1\n[b]\nc = 2\n[[d]]\n[[d]]\ne = 3\n"
    assert line_of(text, ("b", "nothing")) == 2
    assert line_of(text, ("d", 1, "f", 0)) == 5
    assert line_of(text, ("x",)) == 1
    assert line_of("", ()) == 1
