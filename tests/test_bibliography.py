"""Whoever wants to look something up finds it: every entry has an address and is cited."""

import re
from collections import Counter
from functools import cache

import prose

BIBLIOGRAPHY = prose.BOOK / "references.bib"
# Older than addresses, or their address could not be confirmed.
WITHOUT_ADDRESS = {"kraft1949device", "rabbani2002jpeg2000"}
ADDRESSES = {
    "doi": r"10\.\d{4,9}/[^\s{}]+",
    "eprint": r"\d{4}\.\d{4,5}",  # arXiv
    "url": r"https?://[^\s{}]+",
}


@cache
def entries() -> dict[str, dict[str, str]]:
    """The fields of every entry by its key."""
    text = BIBLIOGRAPHY.read_text(encoding="utf-8")
    found = re.findall(r"^@\w+\{(\S+),\n(.*?)^\}$", text, re.DOTALL | re.MULTILINE)
    return {key: dict(re.findall(r"^\s*(\w+)\s*= \{(.*)\},?$", body, re.M)) for key, body in found}


@cache
def citations() -> dict[str, set[str]]:
    """The keys that each page cites, in its text or in what its cells show."""
    texts = {name: path.read_text(encoding="utf-8") for name, path in prose.pages().items()}
    return {
        name: {
            key.strip()
            for keys in re.findall(r"\{footcite\}`([^`]+)`", text)
            for key in keys.split(",")
        }
        for name, text in texts.items()
    }


def test_no_entry_was_lost_in_reading():
    text = BIBLIOGRAPHY.read_text(encoding="utf-8")
    assert len(entries()) == text.count("\n@") + text.startswith("@") > 50


def test_an_entry_says_who_what_and_when_with_an_address_that_looks_like_one():
    for key, entry in entries().items():
        dated = {"year"} - ({"year"} if key == "wu_content_weighted" else set())  # a report
        assert {"author", "title"} | dated <= set(entry), key
        for name in ADDRESSES.keys() & entry.keys():
            assert re.fullmatch(ADDRESSES[name], entry[name]), f"{key}: {name} = {entry[name]}"
    without = {key for key, entry in entries().items() if not ADDRESSES.keys() & entry.keys()}
    assert without == WITHOUT_ADDRESS, "give a DOI, an arXiv number (eprint) or a URL"


def test_every_entry_is_cited_and_every_citation_has_its_entry_and_its_list():
    assert set().union(*citations().values()) == set(entries())
    for page, keys in citations().items():
        text = prose.texts()[page]
        assert not keys or "{footbibliography}" in text or "{bibliography}" in text, page


def test_no_work_is_listed_twice():
    titles = Counter(re.sub(r"\W", "", e["title"].lower()) for e in entries().values())
    addresses = Counter(e[name] for e in entries().values() for name in ADDRESSES if name in e)
    assert [k for k, times in (titles + addresses).items() if times > 1] == []
