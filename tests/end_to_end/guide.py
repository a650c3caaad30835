"""The guide's own client code, taken from the document as it stands there, so that what is documented is what is run."""

import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "reference" / "realtime-guide.md"


def code_under(heading: str) -> str:
    """The first fenced block below the heading `heading`."""
    text = GUIDE.read_text(encoding="utf-8")
    section = text[re.search(rf"^#+ {re.escape(heading)}$", text, re.MULTILINE).end() :]
    return re.search(r"```\w+\n(.*?)```", section, re.DOTALL)[1]


def aimed_at(code: str, *, hub: str, token: str, patient_id: str | None = None) -> str:
    """The code with this hub's address and a token where the guide has placeholders, and nothing else changed."""
    host = hub.removeprefix("http://")
    code = code.replace("localhost:5054", host).replace("YOUR_JWT_TOKEN", token)
    return code.replace("507f1f77bcf86cd799439011", patient_id) if patient_id else code
