"""Lexical cues for text moderation, in addition to a classifier: words, target, insult, threat and sales pressure.

Shared by the content models and the API's rules. A classifier trained on tweets labels swearing as offensive and a
phone number as spam; these cues detect whether a person is the target. English only, like the models.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_EMOTICON: Final = re.compile(
    r"(?<!\w)(?:[:;=8][-'^o]?[()\[\]{}DPpOoSsXx3/\\|*$]+|[xX]+[dD]+|[oO0][._][oO0]|[tT][._][tT]|[uU][wW][uU]|<3+)(?!\w)"
)
_KEYWORD_LETTERS: Final = frozenset("ℹⓂ™©®")
_MIN_LETTERS: Final = 2
_LAST_CYRILLIC: Final = 0x52F
_SPACED_LETTERS: Final = 4


def has_words(text: str) -> bool:
    """Return whether a text has words, and not only emoji, emoticons, digits and punctuation.

    A single letter counts as a word in scripts other than Latin, Greek and Cyrillic. Spaced letters count together.
    """
    letters = 0
    for word in re.findall(r"[^\W\d_]+", _EMOTICON.sub(" ", text)):
        letters_of_word = [
            letter for letter in word if letter not in _KEYWORD_LETTERS and unicodedata.category(letter) != "Mn"
        ]
        if len(letters_of_word) >= _MIN_LETTERS or any(ord(letter) > _LAST_CYRILLIC for letter in letters_of_word):
            return True
        letters += len(letters_of_word)
    return letters >= _SPACED_LETTERS


_PROFANITY: Final = re.compile(
    r"\b(?:god)?(?:damn(?:ed|it)?|dammit|darn(?:ed)?|hell|shit(?:ty|s|e)?|bullshit|crap(?:py|s)?|fuck(?:ing|in|ed|s)?|"
    r"freaking|frigging|bloody|arse|ass|pissed|piss(?:ing)?|bastards?|sucks?|sucked|stupid|dumb|wtf|ffs|bugger(?:ed)?|"
    r"bollocks|idiotic)\b",
    re.IGNORECASE,
)
# Words that refer to people. Names of groups are an open class: any plural noun after a determiner ("these ...",
# "all ...") counts as one.
_PEOPLE: Final = re.compile(
    r"\b(?:you(?:r|rs|rself|rselves|'?re|'?ve|'?ll|'?d)?|u|ur|ya|yall|y'all|thou|"
    r"he|she|they|them|him|her|hers|his|their|theirs|who|whoever|someone|somebody|everyone|everybody|nobody|people|folks?|"
    r"persons?|m[ae]n|wom[ae]n|boys?|girls?|guys?|kids?|child(?:ren)?|neighbou?rs?|family|families|mother|mom|mum|father|"
    r"dad|wife|husband|son|daughter|sister|brother|teachers?|owners?|moderators?|admins?|members?|"
    r"muslims?|jews?|jewish|christians?|hindus?|immigrants?|migrants?|refugees?|foreigners?|gays?|lesbians?|trans|"
    r"blacks?|whites?|asians?|latinos?|mexicans?|arabs?|indians?|chinese|disabled|"
    r"bitch(?:es)?|whores?|sluts?|cunts?|dicks?|pricks?|wankers?|morons?|idiots?|losers?|assholes?|arseholes?|"
    r"scum|vermin|kill|die|shoot|burn|hang)\b|@\w|\b(?:these|those|all|damn|fucking)\s+(?!the\b|this\b)\w{3,}(?:ers|ans|ies|os)\b",
    re.IGNORECASE,
)


def is_untargeted_profanity(text: str) -> bool:
    """Return whether a text swears, but neither at nor about anybody."""
    return _PROFANITY.search(text) is not None and _PEOPLE.search(text) is None


_NOUN: Final = (
    r"(?:idiots?|morons?|imbeciles?|losers?|loser|scum(?:bags?)?|trash|garbage|filth|pigs?|rats?|vermin|cockroach(?:es)?|"
    r"parasites?|clowns?|fools?|jerks?|creeps?|liars?|cowards?|weirdos?|freaks?|bastards?|assholes?|arseholes?|dickheads?|cows?|sows?|donkeys?|weasels?|slugs?|hags?|witch(?:es)?|"
    r"dicks?|pricks?|cunts?|bitch(?:es)?|whores?|sluts?|twats?|wankers?|tossers?|dumbass(?:es)?|dumbos?|halfwits?|"
    r"nitwits?|dimwits?|simpletons?|disgrace|embarrassment|joke|nobody|nobodies|waste of (?:space|air|oxygen|skin)|"
    r"piece of (?:shit|crap|trash|garbage)|retards?|monsters?|snakes?|degenerates?|bullies|bully|hypocrites?)"
)
_ADJECTIVE: Final = (
    r"(?:stupid|dumb|pathetic|worthless|useless|disgusting|ugly|fat|hideous|brainless|clueless|idiotic|moronic|"
    r"repulsive|revolting|vile|despicable|ridiculous|incompetent|insane|retarded|filthy|spineless|braindead|"
    r"brain[- ]?dead|hopeless|unlovable|contemptible|good[- ]for[- ]nothing|laughable)"
)
_VERY: Final = (
    r"(?:(?:such|so|really|just|truly|simply|all|both|literally|absolutely|completely|totally|a|an|the|total|complete|utter|"
    r"absolute|real|big|biggest|little|old|fucking|bloody|damn|goddamn|freaking|most|"
    r"nothing but|kind of|quite|very|too|always|clearly|obviously)\s+){0,6}"
)
_YOU_ARE: Final = (
    r"(?:you\s+(?:are|were|r)|you'?re|u\s*r|ur|u\s+are|you\s+(?:all|lot|guys|people|two)(?:\s+are)?|y'?all(?:\s+are)?)"
)
_INSULTS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?<!if )(?<!think )(?<!thought )\b{_YOU_ARE}\s+{_VERY}{_ADJECTIVE}?\s*{_VERY}{_NOUN}\b",
        rf"(?<!if )(?<!think )\b{_YOU_ARE}\s+{_VERY}{_ADJECTIVE}\b(?!\s+(?:not|idea|good|cute|funny))",
        (
            rf"\byou(?:\s+(?:{_ADJECTIVE}|fucking|bloody|damn|little|old|absolute|complete|utter|total|sad)){{0,4}}"
            rf"\s+{_NOUN}\b"
        ),
        rf"\b{_NOUN}\s+like\s+(?:you|yourself|u)\b",
        rf"\b(?:shut\s+up|go\s+away|get\s+lost|fuck\s+off|piss\s+off|listen|hey)\W+(?:you\s+)?{_VERY}{_ADJECTIVE}?\s*{_NOUN}\b",
        (
            r"\b(?:no\s?(?:body|-one|\s?one)|no\s+one)\s+(?:here\s+|in\s+this\s+\w+\s+|really\s+|even\s+|will\s+ever\s+){0,4}"
            r"(?:likes?|loves?|wants?|needs?|respects?|cares?\s+about|can\s+stand)\s+(?:you|u)\b(?!\s+to\b)(?!r)"
        ),
        (
            r"\b(?:everyone|everybody|we\s+all|the\s+whole\s+\w+|i)\s+(?:here\s+|really\s+|just\s+|fucking\s+){0,4}"
            r"(?:hates?|despises?|loathes?|laughs?\s+at)\s+(?:you|u)\b(?!r)"
        ),
        (
            r"\byou\s+(?:disgust\s+me|make\s+me\s+(?:sick|want\s+to\s+(?:puke|vomit))|should\s+be\s+ashamed\s+of\s+yourself|"
            r"don'?t\s+deserve\s+to\s+live|deserve\s+to\s+(?:die|suffer|rot)|have\s+no\s+brain)"
        ),
        r"\b(?:fuck|screw|damn|curse)\s+(?:you|u)\b(?!\s+(?:got|have|can|guys?\s+(?:rock|are\s+great)))",
        r"\b(?:go\s+)?(?:kill|hang|drown|shoot)\s+(?:yourself|urself|yourselves)\b|\bkys\b|\bgo\s+(?:and\s+)?die\b",
        r"\b(?:go\s+to|rot\s+in|burn\s+in)\s+hell\b",
        rf"\byou(?:r|'re)\s+(?:face|brain|head|mother|mum|mom|family|kids?)\s+(?:is|are|looks?)\s+{_VERY}(?:like\s+)?(?:{_ADJECTIVE}|{_NOUN}|an?\s+{_NOUN})\b",
    )
)
_THREATS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        (
            r"\b(?:i|we|i'?ll|we'?ll|i'?m|we'?re|gonna|someone|somebody)\s+(?:will\s+|am\s+|are\s+|going\s+to\s+|gonna\s+|should\s+|"
            r"swear\s+(?:i\s+will\s+|i'?ll\s+)?|come\s+(?:over\s+)?and\s+|find\s+you\s+and\s+|hunt\s+you\s+down\s+and\s+){0,4}"
            r"(?:kill|murder|hurt|shoot|stab|beat|smash|punch|strangle|burn|break|hang|cut|slap|poison|destroy|end)\s+"
            r"(?:you|u|your\s+(?:face|head|legs?|neck|teeth|kids?|family|house|car|dog)|him|her|them)\b"
        ),
        r"\b(?:hope|wish|want)\s+(?:that\s+)?(?:you|u|they|he|she)\s+(?:all\s+)?(?:to\s+)?(?:die|suffer|rot|burn|get\s+(?:shot|killed|cancer|run\s+over))",
        (
            r"\b(?:you|they|he|she|these\s+\w+|those\s+\w+)\s+(?:all\s+)?(?:should|must|deserve\s+to|need\s+to|ought\s+to)\s+(?:all\s+)?(?:be\s+)?"
            r"(?:shot|hanged|hung|killed|gassed|exterminated|wiped\s+out|put\s+down|burned|burnt|die|drowned|beaten)\b"
        ),
        r"\b(?:kill|hurt|shoot|stab)\s+(?:you|yourself)\b",
        r"\byou(?:'?re|\s+are)\s+(?:so\s+)?dead\b(?!\s+(?:right|wrong|tired|on|set|keen))|\bwatch\s+your\s+back\b",
    )
)
_VERMIN: Final = re.compile(
    rf"\b(?:they|these\s+\w+|those\s+\w+|all\s+(?:these\s+|those\s+|of\s+them\s+)?\w*|[a-z]+s)\s+(?:are|r)\s+{_VERY}"
    r"(?:dirty\s+|filthy\s+|disgusting\s+){0,4}(?:vermin|cockroaches|parasites|subhumans?|sub-human|scum|filth|animals\s+and\b|"
    r"a\s+(?:plague|disease|cancer)|an\s+infestation|not\s+(?:even\s+)?human|less\s+than\s+human)\b",
    re.IGNORECASE,
)
_QUOTED: Final = re.compile(r"[\"“”„«»\u2018][^\"“”„«»\u2019]*[\"“”„«»\u2019]|(?<!\w)'[^']*'(?!\w)")


def _unquoted(text: str) -> str:
    """Remove quotations and repeated spaces, so that patterns with optional words match in linear time."""
    return " ".join(_QUOTED.sub(" ", text.replace("\u2019", "'")).split())


_NEGATED: Final = re.compile(
    rf"\b(?:{_YOU_ARE}|you)\s+(?:are\s+)?(?:not|never|no|hardly|anything\s+but|far\s+from)\s+{_VERY}(?:{_ADJECTIVE}|{_NOUN})\b"
    rf"|\byou\s+aren'?t\s+{_VERY}(?:{_ADJECTIVE}|{_NOUN})\b",
    re.IGNORECASE,
)


def insults_reader(text: str) -> bool:
    """Return whether a text insults its reader in the second person; quoted and negated insults do not count."""
    plain = " ".join(_NEGATED.sub(" ", _unquoted(text)).split())
    return any(pattern.search(plain) for pattern in _INSULTS)


def threatens(text: str) -> bool:
    """Return whether a text threatens people or wishes them harm; quoted threats do not count."""
    plain = _unquoted(text)
    return any(pattern.search(plain) for pattern in _THREATS)


def dehumanizes(text: str) -> bool:
    """Return whether a text calls people vermin, a disease or not human; quotations do not count."""
    return _VERMIN.search(_unquoted(text)) is not None


def attacks_people(text: str) -> bool:
    """Return whether a text insults its reader, or threatens or dehumanizes people."""
    return insults_reader(text) or threatens(text) or dehumanizes(text)


_PRESSURE: Final = re.compile(
    r"https?://|www\.|\b\w+\.(?:com|net|biz|info|xyz|top|ru|click|io|ly)\b|\b(?:urgent(?:ly)?|act\s+(?:now|fast)|claim|winner|won|prize|"
    r"guarantee[ds]?|congratulations|congrats|limited\s+(?:time|offer|stock)|click|subscribe|investment|invest|crypto|"
    r"bitcoin|casino|loans?|credit|cash|refund|earn|income|profit|passive|discount|deal|offer|voucher|gift\s?card|"
    r"selected|verify|password|account|pin|bank|viagra|pills|sexy?|singles|xxx|dating|txt|reply|opt[- ]?out|p/min|ppm|"
    r"whatsapp|telegram|weight\s+loss|work\s+from\s+home|risk[- ]free|no\s+risk|buy\s+now|order\s+now|hurry|"
    r"last\s+chance|expires?|free\s+(?:entry|gift|trial|money|msgs?|ringtones?|vip))\b|[$£€]\s?\d|\d\s?(?:%|percent)\s+off",
    re.IGNORECASE,
)


_PHONE_NUMBER: Final = re.compile(r"(?:\+?\d[\s().-]?){5,}\d")


def without_phone_numbers(text: str) -> str | None:
    """Replace each phone number in a text by "me"; None if it has none, or has sales pressure, a price or a link.

    A post about a lost cat needs a phone number. A number indicates spam only together with pressure, a price or a
    link.
    """
    if _PRESSURE.search(text) is not None:
        return None
    replaced = _PHONE_NUMBER.sub("me", text)
    return None if replaced == text else replaced


_SUM: Final = r"(?:[$\u00a3\u20ac]\s?\d[\d.,]*k?|\d[\d.,]*k?\s?(?:[$\u00a3\u20ac]|dollars|euros|pounds|usd|eur|gbp))"
_NEAR: Final = r"[^.!?\n]{0,40}?"
_COINS: Final = r"(?:bitcoins?|btc|crypto(?:currency|currencies)?|ethereum|eth|usdt|dogecoin|forex|nfts?)"
_REWARD: Final = r"(?:prizes?|rewards?|winnings|bonus|gift\s?cards?|vouchers?|i-?phones?|jackpot|cash\s+prize)"
_PAID_LINE: Final = r"\b(?:calls?|txt|text|lines?|chat)\b"
_PER_MINUTE: Final = (
    r"(?:\b\d[\d.,]{0,5}\s?p\s?(?:pm\b|/?\s?(?:per\s+)?min(?:ute)?\b)|\bp/min\b|"
    r"[\u00a3$\u20ac]\s?\d(?:[.,]\d+)?\s?(?:/|per\s+|a\s+)min(?:ute)?\b)"
)
# Offers that only spam has.
_SPAM_OFFERS: Final = {
    "prize": (
        rf"\b(?:claim|collect|redeem)\s+(?:your|ur|the|a)\s+(?:free\s+|cash\s+)?{_REWARD}\b|"
        rf"\byou(?:'?ve|'?re|\s+have|\s+are|\s+were)?\s+(?:been\s+)?(?:selected|chosen|picked)\b{_NEAR}\b(?:to\s+(?:receive|win|get)|as\s+(?:a|the|our)\s+winner|for\s+an?\s+(?:free\s+)?{_REWARD})\b|"
        rf"\byou(?:'?ve|\s+have)?\s+(?:just\s+)?won\s+(?:an?\s+|the\s+)?(?:free\s+)?(?:{_SUM}|{_REWARD}|lottery)|"
        rf"\b(?:free|win\s+an?)\s+(?:i-?phone|gift\s?card|macbook)\b{_NEAR}(?:https?:|www\.|\b(?:click|link|text|sign\s+up)\b)"
    ),
    "award": (
        rf"\b(?:you|your\s+(?:number|mobile))\b[^.!?\n]{{0,30}}?\b(?:awarded|selected|chosen|picked)\b[^!?\n]{{0,40}}?(?:{_SUM}|\bcash\b|\bprize\b|\baward\b|\bbonus\b)|"
        rf"\bwin\s+(?:an?\s+|up\s+to\s+|over\s+)?(?:{_SUM}|cash\b){_NEAR}\b(?:txt|click|reply)\b"
    ),
    # A short code or a price for each message; helplines and donations have short codes, too.
    "paid_number": (
        r"\b(?:(?:txt|text|sms)\s+(?:the\s+(?:word|password)\s+)?|send\s+(?:the\s+)?(?:word|password)\s+)\W?(?!(?:home|help|hello|hi|shout|talk|start|give|donate|vote|library|news)\b)[A-Za-z]\w{0,11}\W?\s+(?:\w+\s+)?(?:to\s+)(?:no\W{0,2})?\d{4,6}\b(?![-.\s]?\d)|"
        r"\b\d{2,3}\s?p\s?/?\s?(?:per\s+)?(?:msg|message|txt|text)\b|"
        rf"{_PAID_LINE}{_NEAR}{_PER_MINUTE}|{_PER_MINUTE}{_NEAR}{_PAID_LINE}|"
        r"[\u00a3$\u20ac]\s?\d(?:[.,]\d+)?\s?(?:/|per\s+|a\s+)(?:msg|message|txt|text)\b"
    ),
    "investment": (
        rf"\b(?:doubl(?:e|es|ing)|tripl(?:e|es|ing)|multipl(?:y|ies|ying))\s+(?:your|ur|any|every)\s+(?:\w+\s+){{0,2}}(?:{_COINS}|money|coins|investment|deposit|savings)\b|"
        rf"\b{_COINS}\s+(?:doubl(?:er|ed|ing)|multiplier)\b|"
        rf"\b(?:guaranteed|risk[-\s]free)\s+(?:daily\s+|weekly\s+|monthly\s+)?(?:profits?|returns?|income|winnings|earnings|investment)\b|"
        rf"\b{_COINS}\b{_NEAR}\b(?:profits?|returns?|signals?|giveaway|airdrop|earnings|expert|guaranteed)\b|"
        rf"\binvest\s+{_SUM}{_NEAR}\b(?:get|earn|receive|make|return|back)\b"
    ),
    "loan": (
        r"\b(?:instant|quick|fast|cheap|payday|personal|business|urgent|easy|cash|low[-\s]interest)\s+loans?\b(?!\s+of\b)|"
        r"\bloans?\s+(?:offers?|approved|available\s+(?:to|for)|up\s+to\s+\W?\d|from\s+[$\u00a3\u20ac]|at\s+\d[\d.]*\s?%)|"
        r"\b(?:no|without\s+a?)\s*credit\s+checks?\b|\bbad\s+credit\b|\bneed\s+an?\s+(?:urgent\s+)?loan\b(?!\s+of)|"
        r"\bloan\b[^.!?\n]{0,30}?\d\s?%"
    ),
    "adult": (
        r"\b(?:hot|sexy|horny)\s+(?:local\s+)?(?:singles|girls|milfs|women)\b|\bxxx\s?(?:videos?|pics?|pictures|movies?|films?|chat|cams?|content|sites?)\b|\badult\s+(?:dating|chat|cams?)\b"
    ),
    "medicine": (
        r"\b(?:viagra|cialis|kamagra)\b|\b(?:weight[-\s]loss|diet|male\s+enhancement|slimming)\s+(?:pills?|gummies|supplements?|miracle)\b|"
        r"\blose\s+\d+\s*(?:pounds|lbs|kg|kilos)\s+(?:in|within)\s+\w+\s+(?:days?|weeks?)"
    ),
    "betting": r"\b(?:free\s+spins|sure\s+bets?|fixed\s+matche?s?|(?:casino|deposit|welcome)\s+bonus|betting\s+tips)\b",
    "counterfeit": (
        r"\breplica\s+(?:watches|bags|shoes|sneakers)\b|\b(?:rolex|gucci|louis\s+vuitton|ray-?bans?|designer\s+(?:watches|bags))\b"
        r"[^.!?\n]{0,30}?(?:\d+\s?%\s+off|outlet|cheap|wholesale)|\b\d+\s?%\s+off\s+(?:designer|luxury|rolex|gucci)\b"
    ),
    "phishing": (
        rf"\b(?:verify|confirm|update|unlock)\s+your\s+(?:account|password|bank|paypal|card|identity)\b{_NEAR}(?:https?:|www\.|\b(?:here|link|suspended|within)\b)|"
        r"\byour\s+account\s+(?:has\s+been|is|was|will\s+be)\s+(?:suspended|locked|limited|blocked|closed)\b"
    ),
    "easy_money": (
        rf"\b(?:earn|make)\s+(?:up\s+to\s+|over\s+)?{_SUM}{_NEAR}\b(?:from\s+(?:home|your\s+phone)|online|daily|no\s+experience)\b|"
        r"\bmake\s+money\s+(?:fast|online|from\s+home)\b|\b(?:earn|quick|easy)\s+(?:easy\s+|fast\s+)?(?:cash|money)\s+(?:online|fast|now|from\s+home)\b"
    ),
}
# Phrases that harmless texts have, too.
_SALES_TALK: Final = re.compile(
    r"\b(?:click\s+(?:here|the\s+link|below)|limited\s+offer|free\s+money|work\s+from\s+home|earn\s+\W?\d+|guaranteed|casino|"
    r"no\s+risk|risk[-\s]free|buy\s+now|order\s+now|passive\s+income|financial\s+freedom|be\s+your\s+own\s+boss|free\s+gift|"
    r"[89]\d\s?%\s+off|best\s+(?:price|deal)s?\s+guaranteed|you(?:'?ve|\s+have)?\s+won|winners?\s+(?:of|selected)|"
    rf"{_COINS}|investment\s+opportunity|100\s?%\s+(?:free|legit|real))\b",
    re.IGNORECASE,
)
_URGENCY: Final = re.compile(
    r"\b(?:act\s+(?:now|fast)|limited\s+time|last\s+chance|today\s+only|expires\s+(?:today|tonight|soon|in)|hurry|urgent|"
    r"only\s+\d+\s+(?:spots?|places?|slots?)\s+left|before\s+it'?s\s+gone|don'?t\s+miss\s+(?:out|this\s+(?:offer|chance)))\b",
    re.IGNORECASE,
)
_SHORT_LINK: Final = re.compile(
    r"\b(?:bit\.ly|tinyurl\.com|goo\.gl|ow\.ly|is\.gd|cutt\.ly|rb\.gy|shorturl\.at|t\.ly|tiny\.cc|v\.gd|adf\.ly|rebrand\.ly|t\.me|"
    r"wa\.me|lnk\.to|s\.id|shorte\.st|bl\.ink)/\w|\b[\w-]{2,63}\.(?:xyz|top|click|win|loan|loans|bid|icu|buzz|cam|monster|cyou|rest)\b",
    re.IGNORECASE,
)
_MESSENGER: Final = re.compile(
    r"\b(?:whats\s?app|telegram|signal|dm|message|text|inbox)\b[^.!?\n]{0,20}?(?:\+?\d[\s().-]?){8,}|"
    r"\b(?:on|via|through|my|join\s+(?:our|my))\s+(?:whats\s?app|telegram)\b",
    re.IGNORECASE,
)
_OFFERS: Final = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _SPAM_OFFERS.items()}
SPAM_OFFERS: Final = frozenset(_OFFERS)


def spam_cues(text: str) -> dict[str, int]:
    """Return the number of matches of each cue of spam in a text.

    The cues are ``SPAM_OFFERS``, which harmless texts hardly have, and those that count together only: "sales_talk",
    "urgency", "short_link" and "messenger".
    """
    plain = " ".join(text.replace("\u2019", "'").split())
    found = {name: int(pattern.search(plain) is not None) for name, pattern in _OFFERS.items()}
    for name, pattern in (("urgency", _URGENCY), ("short_link", _SHORT_LINK), ("messenger", _MESSENGER)):
        found[name] = int(pattern.search(plain) is not None)
    found["sales_talk"] = len(_SALES_TALK.findall(plain))
    return {name: count for name, count in found.items() if count}
