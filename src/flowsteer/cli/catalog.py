"""`flowsteer operators` and `flowsteer backends`: what there is to name."""

import os

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, print_json


@guarded
def operators(library: o.LibraryName = "paper", json: o.Json = False) -> None:
    """List the operators of a library, and what they do."""
    from flowsteer.operators.registry import library_names, load_library

    loaded = load_library(library)
    rows = [
        {
            "name": item.name,
            "category": item.category,
            "reads": list(item.reads),
            "writes": list(item.writes),
            "version": item.version,
            "does": item.summary,
        }
        for item in loaded.operators.values()
    ]
    if json:
        print_json({"library": loaded.name, "libraries": library_names(), "operators": rows})
        return
    from rich.table import Table

    from flowsteer.cli.terminal import Terminal

    table = Table("operator", "category", "does", title=f"library {loaded.name} (of {', '.join(library_names())})")
    for item in loaded.operators.values():
        table.add_row(item.name, item.category, item.summary)
    Terminal().print(table)


@guarded
def backends(json: o.Json = False) -> None:
    """List what --director, --executor and --backend can name."""
    from flowsteer.backends.presets import PRESETS

    rows = [
        {
            "spec": f"{preset.name}:MODEL",
            "url": preset.base_url,
            "key": preset.key_env,
            "key_set": bool(preset.key_env and os.environ.get(preset.key_env)),
            "key_required": preset.key_required,
        }
        for preset in PRESETS.values()
        if preset.base_url
    ]
    others = {
        "pretrained": "for --director: the trained Director that comes along; the default of solve",
        "http://HOST:PORT/v1#MODEL": "any OpenAI-compatible server; its key, if any, in FLOWSTEER_API_KEY",
        "llamacpp:NAME": "an embedded model (flowsteer models list)",
        "llamacpp:FILE.gguf": "any GGUF file, embedded; on the hub: llamacpp:hf:OWNER/REPO/FILE.gguf",
        "simulated:PROFILE": "the labelled simulator for experiments: typed (also without a profile), flat or null",
        "recorded:FILE": "replay of recorded replies",
    }
    if json:
        print_json({"presets": rows, "others": others})
        return
    from rich.table import Table

    from flowsteer.cli.terminal import Terminal

    table = Table(title="backends")
    for name in ("spec", "server", "key"):
        table.add_column(name, overflow="fold")
    for row in rows:
        key = "none needed" if not row["key_required"] else f"{row['key']} {'✓' if row['key_set'] else 'not set'}"
        table.add_row(str(row["spec"]), str(row["url"]), key)
    for spec, what in others.items():
        table.add_row(spec, what, "")
    Terminal().print(table)
