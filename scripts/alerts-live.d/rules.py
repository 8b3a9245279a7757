"""The alert rules with time pressed together, so that an hour can be waited for.

Durations (`for:` and ranges in brackets): a minute becomes a second, an hour 20 s, a day 40 s. Four numbers that stand for a time
or a load are scaled too (NUMBERS), each named with its rule. Nothing else changes: expressions, labels and texts are those of
`deploy/prometheus/`, and a rule without any of these, such as DriftlessDrift, is the very rule. The real durations and thresholds
are held by the unit tests in `deploy/prometheus/tests/`.
"""

import re

SECONDS = {"m": 1, "h": 20, "d": 40}
# Rule, what stands there, what stands in the scaled copy.
NUMBERS = (
    ("DriftlessPredictionsLate", "> 60\n", "> 2\n"),
    ("DriftlessLagGrowing", "> 10000\n", "> 2000\n"),
    ("DriftlessRebalancing", "> 20\n", "> 1\n"),
    ("DriftlessModelOld", "> 60 * 86400\n", "> 150\n"),
)


def split(text):
    """The text of a rule file as its head and one part for each alert: pairs of a name (None for the head) and the part."""
    parts = re.split(r"(?m)^(?=[ ]*- alert: )", text)
    return [(None, parts[0])] + [(re.match(r"\s*- alert: (\w+)", part)[1], part) for part in parts[1:]]


def scaled(text):
    """The text of a rule file, pressed together."""

    def shorter(found):
        return f"{found[1]}{int(found[2]) * SECONDS[found[3]]}s{found[4]}"

    done = []
    for name, part in split(text):
        for rule, real, short in NUMBERS:
            if rule == name:
                assert part.count(real) == 1, f"{rule} has no `{real.strip()}` to scale"
                part = part.replace(real, short)
        part = re.sub(r"(\[)(\d+)([mhd])(\])", shorter, part)
        done.append(re.sub(r"(?m)(^\s*for: )(\d+)([mhd])($)", shorter, part))
    return "".join(done)


def names(text):
    return [name for name, _ in split(text) if name]
