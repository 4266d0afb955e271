"""Consent page of the OAuth server: a form without scripts, cookies or external resources."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from html import escape
from urllib.parse import urlsplit

from fastapi.responses import HTMLResponse

from transactional_api.core.http.scopes import descriptions

_STYLE = (
    "body{font-family:system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem;line-height:1.5}"
    "label{display:block;margin:.8rem 0}input{width:100%;padding:.5rem;font:inherit;box-sizing:border-box}"
    "button{font:inherit;padding:.5rem 1.2rem;margin:1rem .5rem 0 0}.wrong{color:#a00}"
)
_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def consent_page(
    *, app: str, scopes: list[str], hidden: dict[str, str], wrong: str | None = None, status: int = 200
) -> HTMLResponse:
    """Return the consent page.

    Args:
        app: name of the app.
        scopes: requested scopes.
        hidden: hidden form fields, including ``redirect_uri``.
        wrong: error of the previous attempt.
        status: HTTP status of the response.
    """
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in hidden.items()
    )
    permissions = "".join(f"<li>{escape(description)}" for description in descriptions(scopes))
    problem = f'<p class="wrong" role="alert">{escape(wrong)}' if wrong else ""
    target = urlsplit(hidden["redirect_uri"])
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(app)} and NeighborConnect</title><style>{_STYLE}</style>"
        f"<h1>Authorize {escape(app)}?</h1><p>The app at <b>{escape(target.netloc or target.scheme)}</b> "
        f"requests permission to:<ul>{permissions}</ul>{problem}"
        f'<form method="post" action="authorize">{fields}'
        '<label>Email address<input name="email" type="email" autocomplete="username" required></label>'
        '<label>Password<input name="password" type="password" autocomplete="current-password" required></label>'
        '<label>Code, if you have a second factor<input name="one_time_code" autocomplete="one-time-code"></label>'
        '<button name="decision" value="allow">Allow</button>'
        '<button name="decision" value="deny" formnovalidate>Deny</button></form>'
        "<p>You can revoke access at any time in the list of your sessions.</html>"
    )
    # Browsers apply form-action to redirects of the form, too.
    back = f"{target.scheme}://{target.netloc}" if target.netloc else f"{target.scheme}:"
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self' {back}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    return HTMLResponse(page, status, headers={"Content-Security-Policy": policy})
