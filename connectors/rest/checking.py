""" "Test connection" of a REST source, step by step, in words for the person who set it up."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from connectors.manifest import AuthStyle, EndpointSpec, Manifest, ParentRecords
from connectors.protocol import CheckStep, Fault, Page, SourceError
from connectors.rest.body import WireError
from connectors.rest.session import Session

FirstPage = Callable[[EndpointSpec, str], Page | None]


def steps(manifest: Manifest, *, open_session: Callable[[], Session], first_page: FirstPage) -> Iterator[CheckStep]:
    """Address, Connection, Login, First page: ends after the first that fails."""
    name = "Address"
    try:
        session = open_session()
        destination = session.wire.permit(session.base_url)
        yield CheckStep(name=name, ok=True, detail=f"{destination.label} may be called.")
        name = "Connection"
        yield _connection(session)
        name = "Login"
        spec = _first(manifest)
        page, problem = _try(first_page, spec)
        if problem is None or problem.fault is not Fault.AUTH:
            yield CheckStep(name=name, ok=True, detail=_login_detail(manifest))
            name = f"First page of '{spec.title}'"
        if problem is not None:
            raise problem
        yield CheckStep(name=name, ok=True, detail=_page_detail(page))
    except SourceError as error:
        failed = "Login" if error.fault is Fault.AUTH else name
        yield CheckStep(name=failed, ok=False, detail=error.message, advice=error.advice)


def _connection(session: Session) -> CheckStep:
    destination = session.wire.permit(session.base_url)
    try:
        session.wire.touch(destination)
    except WireError as error:
        raise SourceError(
            f"{destination.label} was called, but {error}.",
            fault=Fault.TRANSIENT,
            advice="Check the address and port; if they are right, the source is down or a firewall is in between.",
        ) from error
    secured = "encrypted" if destination.scheme == "https" else "not encrypted"
    return CheckStep(name="Connection", ok=True, detail=f"{destination.label} answers; the connection is {secured}.")


def _first(manifest: Manifest) -> EndpointSpec:
    """The first endpoint that needs no other one to be read before it."""
    simple = (spec for spec in manifest.endpoints if not isinstance(spec.split, ParentRecords))
    return next(simple, manifest.endpoints[0])


def _try(first_page: FirstPage, spec: EndpointSpec) -> tuple[Page | None, SourceError | None]:
    try:
        return first_page(spec, datetime.now(UTC).isoformat()), None
    except SourceError as error:
        return None, error


def _login_detail(manifest: Manifest) -> str:
    return "No login is needed." if manifest.auth.style is AuthStyle.NONE else "The source accepted our login."


def _page_detail(page: Page | None) -> str:
    if page is None or page.count == 0:
        return "The source answered; it has no records there at the moment."
    return (
        f"1 record of {page.wire_bytes:,} bytes."
        if page.count == 1
        else (f"{page.count:,} records in {page.wire_bytes:,} bytes.")
    )
