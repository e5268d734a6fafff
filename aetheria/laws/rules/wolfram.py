"""One-dimensional rules by Wolfram's numbers and codes.

The forms in braces are those of the Wolfram Language's CellularAutomaton: {number, colours, radius} and, for totalistic
codes, {code, {colours, 1}, radius}.
"""

import re

from aetheria.laws.rules.rule import Rule, notation

_ELEMENTARY = re.compile(r"W(\d{1,100000})", re.IGNORECASE)
_GENERAL = re.compile(r"\{(\d{1,4000}),(\d{1,3}),(\d{1,3})\}")
_CODE = re.compile(r"code(\d{1,4000})", re.IGNORECASE)
_TOTALISTIC = re.compile(r"\{(\d{1,4000}),\{(\d{1,3}),1\},(\d{1,3})\}")


@notation("Elementary", "W110", "{30,2,1}", "{102,3,1}")
def _elementary(text: str) -> Rule | None:
    if found := _ELEMENTARY.fullmatch(text):
        number, colours, radius = found[1].lstrip("0") or "0", 2, 1
    elif found := _GENERAL.fullmatch(text):
        number, colours, radius = str(int(found[1])), int(found[2]), int(found[3])
    else:
        return None
    if (colours, radius) != (2, 1):
        settings = {"rule": number, "colours": colours, "radius": radius}
        return Rule("Elementary", f"{{{number},{colours},{radius}}}", "Elementary", settings)
    if len(number) > 3 or int(number) > 255:
        raise ValueError("its number is above 255")
    return Rule("Elementary", f"W{number}", "Elementary", {"rule": int(number)})


@notation("Totalistic", "{777,{3,1},1}", "code777")
def _totalistic(text: str) -> Rule | None:
    if found := _CODE.fullmatch(text):
        code, colours, radius = str(int(found[1])), 3, 1
    elif found := _TOTALISTIC.fullmatch(text):
        code, colours, radius = str(int(found[1])), int(found[2]), int(found[3])
    else:
        return None
    settings = {"code": code, "colours": colours, "radius": radius}
    return Rule("Totalistic", f"{{{code},{{{colours},1}},{radius}}}", "Totalistic", settings)
