"""A run whose every text is meant to do harm to who looks at it."""

import json

from flowsteer.runs.config import stored_config
from flowsteer.runs.event_json import event_to_json, events_from_json
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.summary import summary_from_json, summary_to_json

HOSTILE = (
    "<script>window.harmed=1</script>",
    '"><img src=x onerror="window.harmed=2">',
    "javascript:window.harmed=3",
    "\x1b[31mred\x1b[0m\x07\x1b]8;;http://evil.example\x07link",
    "\u202egnp.exe\u202c",
    "</script><script>window.harmed=4</script>",
    "<svg/onload=window.harmed=5>",
    "\x00nul\u200b\ufeff",
    "[x](javascript:window.harmed=6)",
    "<style>*{display:none}</style>",
    "<iframe srcdoc='<script>parent.harmed=7</script>'></iframe>",
    "';window.harmed=8//",
    "data:text/html,<script>window.harmed=9</script>",
    '<a href="javascript:window.harmed=10">x</a>',
    "\u2066\u2067turned",
    "<meta http-equiv=refresh content='0;url=javascript:window.harmed=11'>",
    "{{constructor.constructor('window.harmed=12')()}}",
    "&lt;script&gt;&#x6a;avascript:1",
    "<math><mtext></mtext><mglyph><style></math><img src onerror=window.harmed=13>",
    "<object data='javascript:window.harmed=14'></object>",
    "<embed src='data:text/html,<script>parent.harmed=15</script>'>",
    "<form action='javascript:window.harmed=16'><button>x</button></form>",
    "<details open ontoggle=window.harmed=17>",
    "<body onload=window.harmed=18>",
    "<base href='http://evil.example/'>",
    "<link rel=stylesheet href='http://evil.example/a.css'>",
    "<!--><script>window.harmed=19</script>-->",
    "<![CDATA[<script>window.harmed=20</script>]]>",
    "${window.harmed=21}`${window.harmed=22}`",
    "\\u003cscript\\u003ewindow.harmed=23\\u003c/script\\u003e",
    "<template><script>window.harmed=24</script></template>",
    "<a href='vbscript:x' style='position:fixed;inset:0'>over all</a>",
    "<input autofocus onfocus=window.harmed=25>",
    "<video><source onerror=window.harmed=26></video>",
    "\u2028window.harmed=27\u2029",
    "\x1b]0;a title\x07\x1b[2J\x1b[?1049h",
    "\u202d\u202c\u061c\u200f mixed \u05d0\u05d1",
    '<script type="application/json" id="flowsteer-data">{}</script>',
    "__proto__",
    "long " + "x" * 1_000_000,
)
KEPT = {"kind", "type", "id", "node", "operator", "category", "new", "version", "digest", "task", "name", "choices"}
"""Fields that the record itself chooses, or that must name what is there."""


def harm(value, name="", count=None):
    """The value with every text in it replaced."""
    count = count if count is not None else [0]
    if isinstance(value, dict):
        fixed = ("categories", "operators", "structures", "rules", "public_tests", "fresh", "unmet")
        return {key: one if key in fixed else harm(one, key, count) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [harm(one, name, count) for one in value]
    if isinstance(value, str) and name not in KEPT:
        count[0] += 1
        return HOSTILE[count[0] % len(HOSTILE)]
    return value


def make_hostile(source, target):
    """A run like another one, with other texts; its episodes' ids are hostile, too."""
    told = RunFolder.read(source)
    with RunFolder.create(target, stored_config(source)) as folder:
        for number, (episode, entry) in enumerate(told.entries.items()):
            writer = folder.begin(f"{HOSTILE[number]} {number}/../#?%")
            plain = [event_to_json(event) for event in told.events(episode)]
            for event in events_from_json(json.loads(json.dumps(harm(plain)))):
                writer.emit(event)
            summary = summary_to_json(entry.summary)
            changed = {
                key: HOSTILE[(number + place) % (len(HOSTILE) - 1)]
                for place, key in enumerate(("system", "answer", "reason", "dsl"))
            }
            changed |= {
                "failures": {HOSTILE[0]: 2, HOSTILE[4]: 1},
                "terms": {HOSTILE[1]: 0.5, "base": -1.0},
                "reward": -0.5,
            }
            writer.commit(summary_from_json(summary | changed))
