"""Accounts in the console, one at a time; for admins, and every view is audited."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response

from transactional_api.console.pages import RefusedFormError, page, redirect
from transactional_api.console.routing import ConsoleRoute
from transactional_api.console.sessions import PREFIX, Admin, AuditedAdmin
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import NotFoundError
from transactional_api.governance import account_overview
from transactional_api.identity.users.account_routes import AccountsDep

router = APIRouter(prefix=f"{PREFIX}/people", route_class=ConsoleRoute)

HOME: Final = f"{PREFIX}/people"


@router.get("")
async def search_page(request: Request, viewer: Admin) -> Response:
    """Show the form for an account."""
    return page(request, "people/search.html", viewer=viewer, problem=None)


@router.post("")
async def search(
    request: Request,
    session: SessionDep,
    accounts: AccountsDep,
    viewer: Admin,
    *,
    query: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Lead to an account. The query is not part of the address, since it may be an email address."""
    try:
        user_id = await account_overview.find(session, viewer=viewer, cipher=accounts.cipher, query=query)
    except NotFoundError as problem:
        response = page(request, "people/search.html", viewer=viewer, status=problem.status, problem=problem)
        raise RefusedFormError(response) from problem
    return redirect(f"{HOME}/{user_id}")


@router.get("/{user_id}")
async def person(
    request: Request, session: SessionDep, accounts: AccountsDep, viewer: AuditedAdmin, user_id: UUID
) -> Response:
    """Show an account."""
    overview = await account_overview.overview(session, viewer=viewer, cipher=accounts.cipher, user_id=user_id)
    return page(request, "people/person.html", viewer=viewer, overview=overview, max_listed=account_overview.MAX_LISTED)
