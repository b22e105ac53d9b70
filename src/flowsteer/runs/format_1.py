"""Run folders that name no format: what is written otherwise since is brought into the form of today as it is read."""

from typing import Any

JSON = dict[str, Any]


def upgraded(event: JSON) -> JSON:
    """An event as it would be written today; one that already is comes back as it is.

    Args:
        event: Its plain values.
    """
    match event:
        case {"kind": "episode_started", "settings": dict(settings)} if "max_turns" not in settings:
            return event | {"settings": _settings(settings)}
        case {"kind": "episode_ended", "finished": False, "reason": "no Director"}:
            return event | {"finished": None}
        case _:
            return event


def _settings(settings: JSON) -> JSON | None:
    """What was allowed; episodes without a canvas, a fixed workflow's or one of a single turn, did not say it."""
    canvas = settings.get("canvas")
    if canvas is None:
        return None
    return {
        "max_turns": canvas["max_turns"],
        "max_rejected": canvas["max_rejected"],
        "feedback": "full" if canvas["execute"] else "status",
        "rules": settings["rules"],
    }
