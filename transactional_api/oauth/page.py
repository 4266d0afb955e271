"""The page on which somebody lets an app act for them: a form without scripts, cookies or anything from elsewhere."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from html import escape
from urllib.parse import urlsplit

from fastapi.responses import HTMLResponse

from transactional_api.oauth.scopes import told

_STYLE = (
    "body{font-family:system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem;line-height:1.5}"
    "label{display:block;margin:.8rem 0}input{width:100%;padding:.5rem;font:inherit;box-sizing:border-box}"
    "button{font:inherit;padding:.5rem 1.2rem;margin:1rem .5rem 0 0}.wrong{color:#a00}"
)
_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def consent_page(
    *, app: str, scopes: list[str], hidden: dict[str, str], wrong: str | None = None, status: int = 200
) -> HTMLResponse:
    """Return the page.

    Args:
        app: the app's name.
        scopes: what it asks for.
        hidden: what the form sends back as it came, ``redirect_uri`` among it.
        wrong: what was wrong with the last try.
        status: of the answer.
    """
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in hidden.items()
    )
    asks = "".join(f"<li>{escape(words)}" for words in told(scopes))
    problem = f'<p class="wrong" role="alert">{escape(wrong)}' if wrong else ""
    target = urlsplit(hidden["redirect_uri"])
    words = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(app)} and NeighborConnect</title><style>{_STYLE}</style>"
        f"<h1>Let {escape(app)} act for you?</h1><p>It comes from <b>{escape(target.netloc or target.scheme)}</b> "
        f"and asks to:<ul>{asks}</ul>{problem}"
        f'<form method="post" action="authorize">{fields}'
        '<label>E-mail address<input name="email" type="email" autocomplete="username" required></label>'
        '<label>Password<input name="password" type="password" autocomplete="current-password" required></label>'
        '<label>Code, if you have a second factor<input name="one_time_code" autocomplete="one-time-code"></label>'
        '<button name="decision" value="allow">Allow</button>'
        '<button name="decision" value="deny" formnovalidate>Do not allow</button></form>'
        "<p>You can end this at any time in the list of your sessions.</html>"
    )
    # A browser holds a form's redirect against form-action, too.
    back = f"{target.scheme}://{target.netloc}" if target.netloc else f"{target.scheme}:"
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self' {back}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    return HTMLResponse(words, status, headers={"Content-Security-Policy": policy})
