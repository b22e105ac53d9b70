"""What Monty lacks and a few lines of its own Python can give: standard input, and the writer of plain values."""

import io
import re
import tokenize

STANDARD_INPUT = """
class __Stdin:
    def __init__(self, text):
        self.text = text
        self.place = 0

    def readline(self):
        end = self.text.find('\\n', self.place) + 1
        line = self.text[self.place:end] if end else self.text[self.place:]
        self.place += len(line)
        return line

    def read(self):
        rest = self.text[self.place:]
        self.place = len(self.text)
        return rest

    def readlines(self):
        return self.read().splitlines(True)

    def __iter__(self):
        return iter(self.readlines())

__stdin = __Stdin(__stdin_text)

def __write(text):
    print(text, end='')
    return len(text)

def input(prompt=''):
    print(prompt, end='')
    line = __stdin.readline()
    if not line:
        raise EOFError('EOF when reading a line')
    return line[:-1] if line[-1] == '\\n' else line

def exit(code=None):
    raise SystemExit('0' if code is None else str(code))

quit = exit
"""
"""Fed before the program. Monty has no `EOFError`: reading past the end therefore counts as a feature it lacks."""

ENCODER = """
import json as __json

def __plain(value):
    kind = type(value)
    if value is None or kind is bool or kind is str or kind is float:
        return __json.dumps(value)
    if isinstance(value, int):
        return str(value) if -(2**53) < value < 2**53 else '["i","%x"]' % value
    if isinstance(value, dict):
        pairs = ['[' + __plain(key) + ',' + __plain(item) + ']' for key, item in value.items()]
        return '["d",[' + ','.join(pairs) + ']]'
    for tag, base in (('l', list), ('t', tuple), ('s', set), ('f', frozenset)):
        if isinstance(value, base):
            return '["' + tag + '",[' + ','.join([__plain(item) for item in value]) + ']]'
    if kind is bytes:
        return f'["b","{value.hex()}"]'
    if kind is complex:
        return f'["c",[{__plain(value.real)},{__plain(value.imag)}]]'
    raise TypeError(f'a value of type {kind.__name__} cannot cross')
"""
"""Fed after the program, so that values cross as text.

Monty could hand over its own objects, but building a set of chosen integers, or a list nested a million deep,
would then be done natively in this process. See `flowsteer.sandbox.plain`.
"""

_SPELLINGS = {
    ("sys", ".", "stdin"): "__stdin",
    ("sys", ".", "exit"): "exit",
    ("sys", ".", "stdout", ".", "write"): "__write",
}
_WORTH_READING = re.compile(r"\bsys\s*\.\s*(stdin|exit|stdout)\b")


def spell_for_monty(code: str) -> str:
    r"""Replace `sys.stdin`, `sys.exit` and `sys.stdout.write`, which Monty's `sys` lacks, by names of the prelude.

    Lines keep their numbers. Text that does not tokenise is returned as it is: Monty reports what is wrong with it.

    >>> spell_for_monty("import sys\nfor line in sys.stdin: print('sys.stdin')")
    "import sys\nfor line in __stdin: print('sys.stdin')"
    """
    if not _WORTH_READING.search(code):
        return code
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError):
        return code
    lines = code.splitlines(keepends=True)
    for index in reversed(range(len(tokens))):
        for spelling, name in _SPELLINGS.items():
            found = tokens[index : index + len(spelling)]
            if tuple(token.string for token in found) != spelling or (index and tokens[index - 1].string == "."):
                continue
            (row, start), (last_row, end) = found[0].start, found[-1].end
            if row == last_row:
                lines[row - 1] = lines[row - 1][:start] + name + lines[row - 1][end:]
    return "".join(lines)
