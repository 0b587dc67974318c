"""Whoever wants to look something up finds it: every entry has an address and is cited."""

import re
from collections import Counter
from functools import cache

import pytest

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


@pytest.mark.parametrize("key", entries())
class TestEntry:
    def test_has_an_address_that_looks_like_one(self, key):
        found = {name: entries()[key][name] for name in ADDRESSES if name in entries()[key]}
        assert found or key in WITHOUT_ADDRESS, "give a DOI, an arXiv number (eprint) or a URL"
        for name, address in found.items():
            assert re.fullmatch(ADDRESSES[name], address), f"{name} = {address}"

    def test_is_cited(self, key):
        assert any(key in keys for keys in citations().values())

    def test_says_who_what_and_when(self, key):
        undated = key == "wu_content_weighted"  # a report that has no date
        assert {"author", "title"} | (set() if undated else {"year"}) <= set(entries()[key])


@pytest.mark.parametrize("page", citations())
def test_every_citation_has_its_entry_and_its_list(page):
    keys = citations()[page]
    assert keys <= set(entries()), f"not in references.bib: {keys - set(entries())}"
    text = prose.texts()[page]
    assert not keys or "{footbibliography}" in text or "{bibliography}" in text


def test_no_work_is_listed_twice():
    titles = Counter(re.sub(r"\W", "", e["title"].lower()) for e in entries().values())
    addresses = Counter(e[name] for e in entries().values() for name in ADDRESSES if name in e)
    assert [k for k, times in (titles + addresses).items() if times > 1] == []


def test_the_exceptions_are_still_needed():
    assert {key for key in entries() if not ADDRESSES.keys() & entries()[key]} == WITHOUT_ADDRESS
