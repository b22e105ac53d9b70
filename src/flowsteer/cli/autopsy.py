"""`flowsteer autopsy`: why a policy learned what it learned, from its run folder alone."""

from pathlib import Path
from typing import Annotated

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, note, print_json, say


@guarded
def autopsy(
    run: Annotated[Path, o.run_argument("Run folder of a flowsteer train; it may be under way.")],
    episode: Annotated[
        str, typer.Argument(help="Episode id, or its beginning or that of a group: rewards term by term.")
    ] = "",
    json: o.Json = False,
) -> None:
    """Say why a policy learned what it learned: figures of its run, and verdicts with what to try."""
    from dataclasses import asdict

    from flowsteer.cli import autopsy_tables as drawn
    from flowsteer.cli.terminal import Terminal
    from flowsteer.training.autopsy.compared_episode import compare_episode, first_of_group
    from flowsteer.training.autopsy.examination import examine
    from flowsteer.training.autopsy.training_record import read_training

    if episode:
        from flowsteer.cli.show import find_episode

        record = read_training(run)
        whole = episode in record.folder.entries
        first = None if whole else first_of_group(record, episode)
        group = compare_episode(record, first or find_episode(record.folder, episode, "autopsy"))
        if json:
            print_json(asdict(group))
        else:
            Terminal().print(drawn.group(group))
            say("\n".join((*drawn.workflows_of(group), drawn.of_group(group))))
        return
    found = examine(run)
    if json:
        print_json(found.to_json())
        return
    console = Terminal()
    say(drawn.headline(found.evidence))
    for table in drawn.tables(found.evidence):
        console.print(table)
    for line in found.evidence.missing:
        note(f"not told: {line}")
    for verdict in found.verdicts:
        say(f"- {verdict}")
