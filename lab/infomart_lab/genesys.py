"""Genesys' management of a site: GAX's REST interface, Solution Control Server and Local Control Agent.

The Configuration database is one file for all sites (:mod:`infomart_lab.configuration`), as if
replicated. GAX's real paths are not published; the paths here are the product's defaults:

=================================== ==========================================================================
``POST /gax/api/session/login``     ``{"username", "password"}`` -> 200 and a cookie JSESSIONID, else 401
``POST /gax/api/session/logout``    204
``GET  /gax/api/cfg/applications``   names and DBIDs of all Application objects
``GET  /gax/api/cfg/applications/X`` the whole Application object X
``PUT  /gax/api/cfg/applications/X`` the whole object; ``version`` must be the stored one, else 409
``GET  /gax/api/scs/applications/X`` ``{"name", "dbid", "status", "runmode", "host"}``
=================================== ==========================================================================

Without a session every path answers 401; an unknown object 404, an invalid document 400.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import secrets
import subprocess
import sys
import threading
import time
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infomart_lab import configuration, lca, mlcmd
from infomart_lab.config import HOST_KINDS, SITES, LabConfig, fault, mark_ready

#: User of the Management Layer and of GAX.
USER = "default"
#: Seconds that one Control Server waits for the agent of another site.
_AGENT_SECONDS = 3.0
#: Objects' state words: 1 is Enabled.
_ENABLED = configuration.ENABLED
_COOKIE = "JSESSIONID"


class ConfigurationError(Exception):
    """The request cannot be served.

    :param status: HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


# -- Application objects --------------------------------------------------------------------------


def applications(config: LabConfig) -> dict[str, dict[str, Any]]:
    """All Application objects by name, each with its version, which every change raises."""
    found = configuration.read(config)["applications"]
    return {name: {"version": 1, **app} for name, app in found.items()}


def application(config: LabConfig, name: str) -> dict[str, Any]:
    """One Application object.

    :raises ConfigurationError: 404.
    """
    try:
        return applications(config)[name]
    except KeyError:
        raise ConfigurationError(404, f"there is no Application object {name!r}") from None


def by_dbid(config: LabConfig, dbid: int) -> dict[str, Any]:
    """The Application object with a DBID.

    :raises ConfigurationError: 404.
    """
    for found in applications(config).values():
        if found["dbid"] == dbid:
            return found
    raise ConfigurationError(404, f"there is no application with DBID {dbid}")


def check(stored: dict[str, Any], new: Any) -> None:
    """Make sure that ``new`` may replace the Application object ``stored``.

    :raises ConfigurationError: 400 for an invalid document, 409 for one that was read before a change.
    """
    if not isinstance(new, dict):
        raise ConfigurationError(400, "an Application object is a JSON object")
    for name in ("name", "dbid", "type"):
        if name in stored and new.get(name) != stored[name]:
            raise ConfigurationError(400, f"{name} must stay {stored[name]!r}, not {new.get(name)!r}")
    if "version" not in new:
        raise ConfigurationError(400, "version is missing: PUT the whole object as GET returned it")
    if missing := sorted(set(stored) - set(new)):
        raise ConfigurationError(400, f"the object is not whole: {', '.join(missing)} missing")
    for name, value in stored.items():
        if value is not None and new[name] is not None and type(new[name]) is not type(value):
            raise ConfigurationError(400, f"{name} must be a {type(value).__name__}")
    host = new.get("host")
    if host and host not in {f"{site}-{kind}" for site in SITES for kind in HOST_KINDS}:
        raise ConfigurationError(400, f"there is no Host object {host!r}")
    if new["version"] != stored["version"]:
        raise ConfigurationError(
            409, f"the object is at version {stored['version']}, not {new['version']}: read it again"
        )


def replace(config: LabConfig, name: str, new: Any) -> dict[str, Any]:
    """Store a changed Application object under the next version.

    :raises ConfigurationError: as :func:`check`, and 404.
    """
    result: dict[str, Any] = {}

    def change(everything: dict[str, Any]) -> None:
        stored = everything["applications"].get(name)
        if stored is None:
            raise ConfigurationError(404, f"there is no Application object {name!r}")
        stored = {"version": 1, **stored}
        check(stored, new)
        result.update(new, version=stored["version"] + 1)
        everything["applications"][name] = dict(result)

    configuration.update(config, change)
    return result


# -- Solution Control Server ----------------------------------------------------------------------


def _hosts() -> set[str]:
    """Hosts with a Local Control Agent."""
    return {f"{site}-gim" for site in SITES}


def _is_server(config: LabConfig, app: dict[str, Any]) -> bool:
    """True for an Info Mart Server whose program is installed on the host that its object names.

    In an active-active deployment the program of a host runs under the object of its own site only.
    """
    host = str(app.get("host"))
    return host in _hosts() and app["name"] == configuration.server_of(config, host.removesuffix("-gim"))


def _agent(config: LabConfig, site: str, app: dict[str, Any], action: str, *, timeout: float) -> dict[str, Any]:
    """Ask the Local Control Agent of an application's host, over the link when it is at another site."""
    target = app["host"].removesuffix("-gim")
    return mlcmd.ask(
        config.address,
        config.link_port(site, target, "config"),
        {"lca": action, "type": app.get("type"), "token": config.passwords[target]["GAX"]},
        timeout=timeout,
    )


def status_of(config: LabConfig, site: str, app: dict[str, Any]) -> dict[str, Any]:
    """Status of an application, asked by the Control Server of ``site``; Unknown when its agent is silent."""
    word = lca.UNKNOWN
    is_icon = app.get("type") == configuration.TYPE_ICON and app.get("host") in _hosts()
    if is_icon or _is_server(config, app):
        with contextlib.suppress(mlcmd.MlcmdError):
            word = _agent(config, site, app, "status", timeout=_AGENT_SECONDS)["status"]
    return {"name": app["name"], "dbid": app["dbid"], "status": word, "runmode": "Primary", "host": app.get("host")}


def control(config: LabConfig, site: str, request: dict[str, Any]) -> dict[str, Any]:
    """One request to the Solution Control Server of ``site``; blocks until it is done.

    :raises ConfigurationError: refused.
    """
    password = str(request.get("password") or "")
    good = hmac.compare_digest(password, config.passwords[site]["GAX"])
    if request.get("user") != USER or not good:
        raise ConfigurationError(401, "invalid user name or password")
    command = request.get("scs")
    if command == "getallappstatus":
        # access points are objects without a process, so they have no status
        found = [app for app in applications(config).values() if app.get("type") != configuration.TYPE_DAP]
        return {"applications": [status_of(config, site, app) for app in found]}
    app = by_dbid(config, int(request.get("dbid") or 0))
    if command == "getappstatus":
        return {"applications": [status_of(config, site, app)]}
    action = {"startapp": "start", "stopapp": "stop", "stopgraceful": "stopgraceful"}.get(str(command))
    if action is None:
        raise ConfigurationError(400, f"unknown command {command!r}")
    if not _is_server(config, app):
        raise ConfigurationError(400, f"application {app['name']} is not on a host that this server controls")
    if action == "start" and app.get("state", _ENABLED) != _ENABLED:
        raise ConfigurationError(400, f"application {app['name']} is disabled")
    try:
        reply = _agent(config, site, app, action, timeout=120.0)
    except mlcmd.MlcmdError as error:
        raise ConfigurationError(503, f"LCA on host {app['host']} is not available: {error}") from error
    return {"message": reply["message"]}


def is_served_here(config: LabConfig, site: str) -> bool:
    """True when the start of the whole lab starts the Info Mart Server of ``site``.

    The Application object may have moved since the lab was made; the server runs where it points to.
    """
    app = application(config, configuration.server_of(config, site))
    begun = [site] if config.architecture == "active-active" else list(config.sites)
    return (
        any(config.sites[name].server_running for name in begun)
        and app.get("host") == f"{site}-gim"
        and app.get("state", _ENABLED) == _ENABLED
    )


def start_server(config: LabConfig, site: str) -> None:
    """Start the Info Mart Server of ``site`` through its Control Server, where its Host is this site.

    Elsewhere the agent starts it directly, as a Windows service would start.

    :raises mlcmd.MlcmdError: the Control Server or the agent refused.
    """
    app = application(config, configuration.server_of(config, site))
    token = config.passwords[site]["GAX"]
    if app.get("host") == f"{site}-gim":
        request = {"scs": "startapp", "user": USER, "password": token, "dbid": app["dbid"]}
    else:
        request = {"lca": "start", "token": token}
    mlcmd.ask(config.address, config.port(site, "config"), request, timeout=30)


class _Control:
    """TCP server of the Control Server and the Local Control Agent of a site."""

    def __init__(self, config: LabConfig, site: str) -> None:
        self.config, self.site = config, site
        self._children: list[subprocess.Popen[bytes]] = []
        # two Control Servers may ask at the same time; one agent starts a program once
        self._starting = threading.Lock()

    def agent(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request to the Local Control Agent; blocks until it is done."""
        if not hmac.compare_digest(str(request.get("token") or ""), self.config.passwords[self.site]["GAX"]):
            raise ConfigurationError(401, "not a Control Server of this environment")
        if request.get("type") == configuration.TYPE_ICON:
            return {"status": lca.icon_status(self.config, self.site)}
        self._children = [child for child in self._children if child.poll() is None]
        name = configuration.server_of(self.config, self.site)
        action = request["lca"]
        if action == "start":
            if lca.status(self.config, self.site) == lca.STOPPING:
                raise ConfigurationError(409, f"{name} on {self.site}-gim is being stopped")
            with self._starting:
                child = lca.start(self.config, self.site)
            if child is None:
                return {"message": f"{name} is already started"}
            self._children.append(child)
            return {"message": f"{name} is being started on {self.site}-gim"}
        if action in {"stop", "stopgraceful"}:
            if lca.status(self.config, self.site) == lca.STOPPED:
                return {"message": f"{name} is already stopped"}
            lca.stop(self.config, self.site, graceful=action == "stopgraceful")
            word = lca.status(self.config, self.site)
            return {"message": f"{name} on {self.site}-gim: {word}"}
        if action == "status":
            return {"status": lca.status(self.config, self.site)}
        raise ConfigurationError(400, f"unknown action {action!r}")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                try:
                    request = json.loads(line)
                    if "lca" in request:
                        reply = await asyncio.to_thread(self.agent, request)
                    else:
                        reply = await asyncio.to_thread(control, self.config, self.site, request)
                    reply = {"ok": True, **reply}
                except (ConfigurationError, ValueError, TypeError, KeyError) as error:
                    reply = {"ok": False, "error": str(error)}
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


# -- GAX ------------------------------------------------------------------------------------------


def gax(config: LabConfig, site: str) -> Starlette:
    """GAX's REST interface of a site as an ASGI application."""
    sessions: dict[str, float] = {}
    lifetime = 1800.0

    def session(request: Request) -> None:
        token = request.cookies.get(_COOKIE, "")
        if time.monotonic() - sessions.get(token, -lifetime) >= lifetime:
            sessions.pop(token, None)
            raise ConfigurationError(401, "log in first: POST /gax/api/session/login")
        sessions[token] = time.monotonic()

    async def body(request: Request) -> Any:
        try:
            return await request.json()
        except ValueError:
            raise ConfigurationError(400, "the body is not JSON") from None

    async def login(request: Request) -> Response:
        given = await body(request)
        if not isinstance(given, dict):
            raise ConfigurationError(400, "username and password are needed")
        good = hmac.compare_digest(str(given.get("password", "")), config.passwords[site]["GAX"])
        if given.get("username") != USER or not good:
            raise ConfigurationError(401, "invalid user name or password")
        token = secrets.token_hex(16).upper()
        sessions[token] = time.monotonic()
        response = JSONResponse({"username": USER})
        response.set_cookie(_COOKIE, token, path="/gax", httponly=True)
        return response

    async def logout(request: Request) -> Response:
        sessions.pop(request.cookies.get(_COOKIE, ""), None)
        return Response(status_code=204)

    async def get_all(request: Request) -> Response:
        session(request)
        found = applications(config)
        return JSONResponse([{"name": name, "dbid": app["dbid"]} for name, app in found.items()])

    async def get_one(request: Request) -> Response:
        session(request)
        return JSONResponse(application(config, request.path_params["name"]))

    async def put_one(request: Request) -> Response:
        session(request)
        new = await body(request)
        if fault(config, f"{site}.gax.refuses"):
            raise ConfigurationError(503, "the Configuration Server does not answer")
        if fault(config, f"{site}.gax.forgets"):
            return JSONResponse(new)
        return JSONResponse(await asyncio.to_thread(replace, config, request.path_params["name"], new))

    async def get_status(request: Request) -> Response:
        session(request)
        app = application(config, request.path_params["name"])
        return JSONResponse(await asyncio.to_thread(status_of, config, site, app))

    async def refused(_: Request, error: Exception) -> Response:
        status = error.status if isinstance(error, ConfigurationError) else 500
        return JSONResponse({"error": str(error)}, status_code=status)

    return Starlette(
        routes=[
            Route("/gax/api/session/login", login, methods=["POST"]),
            Route("/gax/api/session/logout", logout, methods=["POST"]),
            Route("/gax/api/cfg/applications", get_all, methods=["GET"]),
            Route("/gax/api/cfg/applications/{name}", get_one, methods=["GET"]),
            Route("/gax/api/cfg/applications/{name}", put_one, methods=["PUT"]),
            Route("/gax/api/scs/applications/{name}", get_status, methods=["GET"]),
        ],
        exception_handlers={ConfigurationError: refused},
    )


async def _main(config: LabConfig, site: str) -> None:
    control_server = _Control(config, site)
    # with a queue for the requests that wait while an agent answers
    listener = await asyncio.start_server(
        control_server.serve, config.address, config.port(site, "config"), backlog=128
    )
    web = uvicorn.Server(
        uvicorn.Config(
            gax(config, site),
            host=config.address,
            port=config.port(site, "gax"),
            log_level="info",
            access_log=True,
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.create_task(web.serve())
    while not web.started and not serving.done():
        await asyncio.sleep(0.01)
    if web.started:
        mark_ready(config, "genesys", site)
    # uvicorn ends its task on SIGTERM and SIGINT
    await serving
    listener.close()


def main(config: LabConfig, site: str | None) -> None:
    """Part ``genesys`` of a site."""
    if site is None:
        raise ValueError("the part genesys belongs to a site")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(config, site))
    sys.stdout.flush()
