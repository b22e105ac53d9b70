"""Makes the fake server of the backends' tests importable here."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "backends"))
