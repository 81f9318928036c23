"""What the pages in docs/ tell their readers to paste, taken from the pages themselves."""

import re

from harness import ROOT

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"# (/\S+)\n")


def blocks(page, language):
    """The fenced blocks of one language, in their order. `page`: from the root of the repository."""
    found = [text for kind, text in FENCE.findall((ROOT / page).read_text()) if kind == language]
    assert found, f"{page} has no block of {language}"
    return found


def block(page, language, containing):
    """The one block that contains a text."""
    found = [text for text in blocks(page, language) if containing in text]
    assert len(found) == 1, (page, containing, found)
    return found[0]


def files(page, language):
    """Blocks that begin with the path of the file they are: {path: text}."""
    named = [(PATH.match(text), text) for text in blocks(page, language)]
    return {path[1]: text for path, text in named if path}


def replaced(text, changes):
    """A recipe with the test's own words for the reader's; each of them must be in it."""
    for old, new in changes.items():
        assert old in text, f"`{old}` is not in the recipe:\n{text}"
        text = text.replace(old, str(new))
    return text
