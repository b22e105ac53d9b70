r"""LaTeX in JSON: models write `{"answer": "\tfrac{1}{2}"}` with one backslash, and JSON takes its `\t` for a tab."""

import re

_NAMES = """
backslash bar barwedge because begin beta beth between bf big bigcap bigcup bigg biggl biggr bigl bigoplus
bigotimes bigr bigstar bigvee bigwedge binom blacksquare blacktriangle bmod boldsymbol bot bowtie box boxed
boxtimes breve bullet bumpeq
fbox flat footnotesize forall frac frown
nabla natural ncong ne nearrow neg neq newline nexists ngeq ngeqslant ngtr nleftarrow nleq nleqslant nless
nmid nolimits normalsize not notin nparallel nprec npreceq nrightarrow nsim nsubseteq nsucc nsucceq nsupseteq
nu nvdash nwarrow
rangle rbrace rbrack rceil rfloor rho right rightarrow rightarrowtail rightharpoondown rightharpoonup
rightleftarrows rightleftharpoons rightrightarrows rightsquigarrow risingdotseq rm root rtimes rule rvert
tag tan tanh tau tbinom text textbf textcolor textit textnormal textrm textsc textsf textstyle textsuperscript
texttt textup tfrac therefore theta thickapprox thicksim thinspace tilde times tiny to top triangle
triangledown triangleleft trianglelefteq triangleq triangleright trianglerighteq twoheadrightarrow
"""
_COMMANDS = frozenset(_NAMES.split())
"""The commands of LaTeX and amsmath that begin as an escape of JSON does: with b, f, n, r or t."""

_BACKSLASH = re.compile(r'\\(?:["\\/]|u[0-9a-fA-F]{4}|(?P<word>[bfnrt][A-Za-z]*)(?P<point>\.[a-z])?)?')
"""A backslash with what makes it an escape; `e.g.` and `i.e.` on a new line are no command with a full stop behind."""


def with_latex_escaped(text: str) -> str:
    r"""The text with two backslashes where one begins a LaTeX command or no escape of JSON at all.

    >>> print(with_latex_escaped(r'{"answer": "\tfrac{1}{2}", "why": "A line.\nThen \\frac and \underline{x}."}'))
    {"answer": "\\tfrac{1}{2}", "why": "A line.\nThen \\frac and \\underline{x}."}
    """
    return _BACKSLASH.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    is_command = found["word"] in _COMMANDS and not found["point"]
    return f"\\{found[0]}" if is_command or found[0] == "\\" else found[0]
