"""Tables in docs/benchmarks.md, each between two comments that name it."""

import re

from crate import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"


def replace(name, text):
    """Puts `text` where the page has `<!-- name -->`, up to `<!-- end -->`."""
    page = PAGE.read_text()
    found, count = re.subn(
        rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda match: f"{match[1]}{text}\n{match[2]}", page, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"{PAGE} has {count} places for {name}")
    PAGE.write_text(found)


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
