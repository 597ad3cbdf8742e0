"""The controller that runs, asked through the app's API: from the same machine, as somebody who has signed in."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import BaseModel, ValidationError

from ampacity.api.certificate import CERTIFICATE
from ampacity.api.entrance import AccountShown, SignInShown
from ampacity.api.machine import addresses, host_names
from ampacity.api.routes.commissioning import CommissioningShown
from ampacity.api.routes.first_start import About
from ampacity.api.routes.load_management import Disclaimer
from ampacity.api.routes.worst_loads import WorstLoads
from ampacity.cli.doctor import of_the_controller
from ampacity.config.installation import Installation
from ampacity.core.errors import AmpacityError

PREFIX = "/api/v1"
ANSWER_S = 30.0
"""A report for print takes seconds on a small machine."""
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}

_Shown = TypeVar("_Shown", bound=BaseModel)


class BadAddress(AmpacityError):
    """No app can be there."""

    code = "controller-address"
    remedy = "Give it as `ampacity run` shows it, as --address https://127.0.0.1:8443."


class ControllerNotThere(AmpacityError):
    """Nothing answers."""

    code = "controller-not-there"
    remedy = "Start it with `ampacity run site.toml`, and leave it running. If its app is elsewhere, give --address."


class AppOff(AmpacityError):
    """A controller runs, whose app is not served."""

    code = "controller-app-off"
    remedy = "Commissioning goes through the app: start `ampacity run` without --no-app and --no-storage."


class ControllerUnknown(AmpacityError):
    """It can't be told that it is the one."""

    code = "controller-unknown"
    remedy = "Run this on the controller itself, with the site.toml that it runs, as a user who may read its folder."


class NotAController(AmpacityError):
    """Something else answers."""

    code = "controller-other"
    remedy = "Give --address as `ampacity run` shows it; controller and command must be of the same version."


class NoAccountYet(AmpacityError):
    """Nobody can sign in."""

    code = "controller-no-account"
    remedy = "`ampacity account invite SITE.TOML` shows the link that makes the owner, who then invites an installer."


class ControllerGone(AmpacityError):
    """It answered before."""

    code = "controller-gone"
    remedy = "What was done is kept, and a test ends by itself. See whether `ampacity run` still runs, then go on."


class Refused(AmpacityError):
    """The controller says no, under a code of its own, which takes the place of this one."""

    code = "controller-refused"
    remedy = "See what the controller says."


class Controller:
    """Signed in, once `sign_in` was called. Every method raises Refused and ControllerGone."""

    def __init__(self, client: httpx2.Client, about: About) -> None:
        self._client = client
        self.site = about.site
        self.address = str(client.base_url).removesuffix("/").removesuffix(PREFIX)

    def sign_in(self, email: str, password: str) -> AccountShown:
        told = _read(SignInShown, self._ask("POST", "/sign-in", {"email": email, "password": password}))
        self._client.headers["x-csrf"] = told.csrf
        return told.account

    def sign_out(self) -> None:
        with suppress(AmpacityError):  # it was never signed in, or is not there: either way nobody is
            self._ask("DELETE", "/sign-in")

    def commissioning(self) -> CommissioningShown:
        return self._commissioning("GET", "")

    def done(self, code: str, values: Mapping[str, str | float]) -> CommissioningShown:
        return self._commissioning("PUT", f"/tasks/{code}", {"values": dict(values)})

    def undone(self, code: str) -> CommissioningShown:
        return self._commissioning("DELETE", f"/tasks/{code}")

    def begin(self, kind: str, charger: str) -> CommissioningShown:
        return self._commissioning("POST", "/tests", {"kind": kind, "charger": charger})

    def stop(self) -> CommissioningShown:
        return self._commissioning("DELETE", "/tests")

    def set_lines(self, version: str, charger: str) -> CommissioningShown:
        return self._commissioning("PUT", "/wiring", {"version": version, "charger": charger})

    def set_guarded(self, version: str, charger: str) -> CommissioningShown:
        return self._commissioning("PUT", "/guarded", {"version": version, "charger": charger})

    def worst_loads(self) -> WorstLoads:
        return _read(WorstLoads, self._ask("GET", "/worst-loads"))

    def state_worst_load(self, version: str, circuit: str, amps: Sequence[float]) -> WorstLoads:
        body = {"version": version, "circuit": circuit, "worst_load_a": list(amps)}
        return _read(WorstLoads, self._ask("PUT", "/worst-loads", body))

    def accept(self) -> Disclaimer:
        shown = _read(Disclaimer, self._ask("GET", "/disclaimer"))
        return _read(Disclaimer, self._ask("POST", "/disclaimer", {"version": shown.version}))

    def report(self, form: str) -> bytes:
        return self._ask("GET", f"/commissioning/report?form={form}").content

    def _commissioning(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> CommissioningShown:
        return _read(CommissioningShown, self._ask(method, f"/commissioning{path}", body))

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx2.Response:
        try:
            answer = self._client.request(method, path, json=body)
        except httpx2.HTTPError as error:
            raise ControllerGone(f"The controller at {self.address} does not answer any more ({error}).") from error
        if answer.is_success:
            return answer
        raise _refused(answer)


@contextmanager
def reached(installation: Installation, address: str | None) -> Iterator[Controller]:
    """The controller of this site. `address`: instead of what site.toml says. Signs out at the end.

    Raises:
        AmpacityError: it is not there, or can't be told to be the one.
    """
    base_url = _base_url(installation, address)
    context = _trusting(installation) if base_url.startswith("https:") else True
    # No proxy of the environment: the controller is on this machine.
    with httpx2.Client(base_url=base_url + PREFIX, verify=context, timeout=ANSWER_S, trust_env=False) as client:
        controller = Controller(client, _met(client, installation, base_url))
        try:
            yield controller
        finally:
            controller.sign_out()


def _base_url(installation: Installation, address: str | None) -> str:
    """Without a slash at its end."""
    if address is None:
        app = installation.app
        if not app.enabled:
            raise AppOff("site.toml switches the app off.", remedy="Set enabled = true under [app], and start it anew.")
        if app.port == 0:
            raise BadAddress("site.toml gives the app any port that is free.")
        host = _ANYWHERE.get(app.listen) or (f"[{app.listen}]" if ":" in app.listen else app.listen)
        return f"{'https' if app.tls else 'http'}://{host}:{app.port}"
    try:
        parts = urlsplit(address)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise BadAddress(f"{address[:100]!r} is not where an app is found.")
    if parts.scheme == "http" and parts.hostname not in {*host_names(), *addresses()}:
        raise BadAddress(
            f"{address[:100]} is another machine, without TLS: everybody on the way would read the password.",
            remedy="Run this on the controller itself, or give an address that begins with https.",
        )
    return f"{parts.scheme}://{parts.netloc}"


def _trusting(installation: Installation) -> ssl.SSLContext:
    """Trusts the very certificate that the controller keeps, and nothing else. Under which name it is called does not
    matter then: nobody else has its key.

    Raises:
        ControllerUnknown, ControllerNotThere
    """
    path = installation.app.tls_certificate or installation.path.resolve().parent / CERTIFICATE
    try:
        own = x509.load_pem_x509_certificates(path.read_bytes())[0]  # a chain begins with it
    except FileNotFoundError as error:
        raise ControllerNotThere(
            f"There is no {path}: this controller has not served its app yet.",
            remedy=f"{ControllerNotThere.remedy} Then run this on the same machine, with the same site.toml.",
        ) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ControllerUnknown(f"The controller's certificate {path} can't be read ({why}).") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # whoever signed it is not asked
    context.load_verify_locations(cadata=own.public_bytes(Encoding.PEM).decode())
    return context


def _met(client: httpx2.Client, installation: Installation, base_url: str) -> About:
    try:
        answer = client.get("/about")
    except httpx2.ConnectError as error:
        if _is_untrusted(error):
            raise ControllerUnknown(
                f"What answers at {base_url} does not have the certificate that belongs to {installation.path}."
            ) from error
        raise _not_there(installation, base_url, error) from error
    except httpx2.HTTPError as error:
        raise NotAController(f"What answers at {base_url} is no app of Ampacity ({error}).") from error
    if not answer.is_success and "problem" in answer.headers.get("content-type", ""):
        raise _refused(answer)
    about = _read(About, answer)
    if about.product != "Ampacity":
        raise NotAController(f"What answers at {base_url} is no app of Ampacity.")
    if about.first_start:
        raise NoAccountYet(f"Nobody has an account on {about.site} yet.")
    return about


def _not_there(installation: Installation, base_url: str, error: Exception) -> AmpacityError:
    if isinstance(_cause(error, ssl.SSLError), ssl.SSLError):
        return NotAController(f"What answers at {base_url} does not speak TLS as the app does ({error}).")
    if of_the_controller(installation) is not None:
        return AppOff(f"A controller of {installation.site.name} runs, and its app does not answer at {base_url}.")
    return ControllerNotThere(f"No controller answers at {base_url} ({error}).")


def _is_untrusted(error: Exception) -> bool:
    return _cause(error, ssl.SSLCertVerificationError) is not None


def _cause(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    """Of the libraries' errors, the one of this kind below them."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error


def _refused(answer: httpx2.Response) -> AmpacityError:
    try:
        told = answer.json()
        refused = Refused(str(told["detail"]), remedy=str(told["remedy"]))
        refused.code = str(told["code"])
    except (ValueError, KeyError, TypeError):
        return NotAController(f"{answer.url.copy_with(query=None)} answers {answer.status_code}, which is not the app.")
    return refused


def _read(kind: type[_Shown], answer: httpx2.Response) -> _Shown:
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as error:
        raise NotAController(
            f"{answer.url.copy_with(query=None)} answers otherwise than this version of Ampacity does."
        ) from error
