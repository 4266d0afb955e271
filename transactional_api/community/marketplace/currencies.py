"""Currencies in use and their decimals, from the CLDR data of Babel and ISO 4217."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from babel.core import get_global
from babel.numbers import get_currency_precision, get_territory_currencies

MAX_DECIMALS = 4
"""Highest number of decimals of any currency."""

_WITHDRAWN = {
    # Bulgaria adopted the euro on 2026-01-01, with dual circulation for a month; unknown to the CLDR of Babel <= 2.18.
    "BGN": date(2026, 2, 1),
}
"""Currencies that Babel still lists, with the first day on which they are no longer legal tender."""

_ISO_DECIMALS = dict.fromkeys(
    ("AFN", "ALL", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "RSD", "SOS", "SYP", "YER"), 2
) | {"IQD": 3}
"""Decimals by ISO 4217 where CLDR has none because no such coins are in use; prices can have them."""


@lru_cache(maxsize=1)
def _legal_tender(on: date) -> frozenset[str]:
    """Return the currencies that are legal tender somewhere, without codes of funds, metals and tests."""
    territories = get_global("territory_currencies")
    codes = {code for territory in territories for code in get_territory_currencies(territory, start_date=on)}
    return frozenset(codes - {code for code, since in _WITHDRAWN.items() if since <= on})


def is_legal_tender(code: str) -> bool:
    """Return whether an ISO 4217 code names a currency in use today."""
    return code in _legal_tender(datetime.now(UTC).date())


def quantize_price(price: Decimal, currency: str) -> Decimal:
    """Return a price with exactly the decimals of its currency.

    Raises:
        ValueError: the price has more decimals.
    """
    decimals = max(get_currency_precision(currency), _ISO_DECIMALS.get(currency, 0))
    exact = price.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_EVEN)
    if exact != price:
        raise ValueError(f"A price in {currency} has at most {decimals} decimals")
    return exact
