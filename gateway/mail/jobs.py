"""Which job a letter is about: the name of the opening as the letter writes it."""

import re

from gateway.mail import names, words

_JOBS = (
    re.compile(
        r"[「『]([^」』\n]{1,60})[」』](?:職|の?ポジション|の求人|の募集)?(?:に|への?)(?:は)?ご(?:応募|エントリー)"
    ),
    re.compile(
        r"(?i)\b(?:applying for|application for|interest in) the (.{2,60}?) (?:position|role|opening)\b"
    ),
)


def jobs_in(text: str) -> list[str]:
    """Return the jobs that the text says were applied for."""
    matches = (pattern.search(text) for pattern in _JOBS)
    return [words.clean(match[1]) for match in matches if match is not None]


def same_job(one: str, other: str) -> bool | None:
    """Whether one of two jobs stands in the other; None when one of them has no letters to compare."""
    first, second = names.folded(one), names.folded(other)
    return (first in second or second in first) if first and second else None
