"""What a data set's licence forbids, as far as its name tells."""

import re

_NON_COMMERCIAL = re.compile(r"(?<![a-z])(nc|non-?commercial)(?![a-z])", re.IGNORECASE)


def forbids_commercial_use(licence: str) -> bool:
    """Whether the licence's name says non-commercial: cc-by-nc-4.0, "non-commercial use only".

    False for an empty or unknown name, which permits nothing either: it only says nothing.
    """
    return _NON_COMMERCIAL.search(licence) is not None
