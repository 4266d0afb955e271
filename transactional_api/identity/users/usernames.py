"""Usernames: one grammar for registration and mentions, reserved names, and look-alike names."""

from __future__ import annotations

import re
import unicodedata

import regex

MIN_LENGTH, MAX_LENGTH = 3, 50
PATTERN = r"[A-Za-z0-9]([._-]?[A-Za-z0-9])*"
"""ASCII letters and digits, with single dots, hyphens or underscores between them.

Punctuation ends a name in running text, so a name neither begins nor ends with it, nor has two in a row.
"""
# After a letter of a cased alphabet or a digit, the at sign is part of an email address. Scripts without spaces may
# touch a name. A name followed by a cased letter is a word, not a mention.
_MENTION = regex.compile(
    r"(?<![\p{Latin}\p{Greek}\p{Cyrillic}\u0300-\u036f\p{Nd}_@\uFF20+%])[@\uFF20]"
    r"([A-Za-z0-9](?:[._-]?[A-Za-z0-9])*+)(?![\p{Latin}\p{Greek}\p{Cyrillic}\u0300-\u036f@])"
)
_ADDRESS = re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)
_SEPARATOR = re.compile(r"[._-]")

_PRODUCT = ("neighborconnect", "neighbourconnect")
_STAFF_ROLES = (
    *("abuse", "admin", "administration", "administrator", "administrators", "admins", "billing", "contact"),
    *(
        "customercare",
        "customerservice",
        "customersupport",
        "donotreply",
        "helpdesk",
        "hostmaster",
        "legal",
        "mailerdaemon",
    ),
    *("mod", "moderation", "moderator", "moderators", "mods", "noreply", "official", "officials", "operator"),
    *("operators", "postmaster", "privacy", "root", "safety", "security", "staff", "superuser", "support"),
    *("sysadmin", "sysadmins", "sysop", "system", "trustandsafety", "trustsafety", "verification", "verified"),
    *("webmaster", "webmasters"),
)
_QUALIFIERS = (
    *("account", "accounts", "alert", "alerts", "app", "care", "center", "centre", "chat", "community", "customer"),
    *("desk", "global", "group", "head", "help", "hq", "info", "mail", "main", "my", "news", "notice", "of", "our"),
    *("page", "real", "service", "services", "site", "super", "team", "teams", "the", "user", "users", "web", "your"),
)
_WORDS = frozenset(
    {
        *("all", "anonymous", "anyone", "api", "channel", "connect", "deleted", "erased", "everybody", "everyone"),
        *("followers", "guest", "help", "here", "info", "members", "me", "myself", "neighbor", "neighbors"),
        *("neighbour", "neighbours", "nobody", "none", "null", "somebody", "someone", "team", "undefined"),
        *("unknown", "user", "users"),
    }
)
# Digits that substitute letters.
_LEET = str.maketrans("01345789", "oleastbg")
_LOOKALIKES = str.maketrans(
    "авгеһіјкӏмнорсѕтухԁԛԝѵαγεηικνορτυχϲ",
    "abrehijklmhopcstyxdqwvayenikvoptuxc",
)
"""Cyrillic and Greek letters, mapped to the ASCII letters that they resemble."""


def mentions_in(text: str) -> list[str]:
    """Return the mentioned usernames in lower case, without duplicates, in order."""
    names = (name.lower() for name in _MENTION.findall(_ADDRESS.sub(" ", text)))
    return list(dict.fromkeys(name for name in names if MIN_LENGTH <= len(name) <= MAX_LENGTH))


def is_reserved(username: str) -> bool:
    """Return whether a username could be mistaken for the product, its staff, or a group.

    | condition, after substituting digits by letters | example |
    |---|---|
    | contains the product's name | `neighb0rconnect.news` |
    | one part is a staff role | `ada.admin`, `security` |
    | consists of staff roles and qualifiers only | `the-support-team`, `adminhelp7` |
    | is a word for nobody or everybody | `everyone`, `null`, `erased-1` |
    """
    lower = username.lower()
    if _SEPARATOR.sub("", lower) in _WORDS:
        return True
    for form in {lower, lower.translate(_LEET), lower.rstrip("0123456789._-")}:
        parts = [part for part in _SEPARATOR.split(form) if part]
        whole = "".join(parts)
        if claims_the_product(whole) or _is_composed_of_roles(whole):
            return True
        if (parts and parts[0] == "erased") or any(part in _STAFF_ROLES for part in parts):
            return True
    return False


def claims_the_product(name: str) -> bool:
    """Return whether a name contains the product's name, including look-alike letters."""
    plain = unicodedata.normalize("NFKD", name).casefold().translate(_LOOKALIKES)
    letters = "".join(letter for letter in plain if letter.isalnum())
    return any(product in form for product in _PRODUCT for form in (letters, letters.translate(_LEET)))


def skeleton(username: str) -> str:
    """Return the common form of look-alike usernames; ``db.tables.users`` has the SQL equivalent for its index."""
    return username.lower().translate(str.maketrans("01", "ol", "._-")).replace("rn", "m").replace("vv", "w")


def retired(username: str) -> str:
    """Return the text whose keyed hash reserves the username of an erased account and its look-alikes."""
    return f"username {skeleton(username)}"


_MADE_OF_STAFF_ROLES = re.compile(
    f"(?=.*(?:{'|'.join(_STAFF_ROLES)}))(?:{'|'.join((*_STAFF_ROLES, *_QUALIFIERS))})+",
)


def _is_composed_of_roles(whole: str) -> bool:
    return _MADE_OF_STAFF_ROLES.fullmatch(whole) is not None
