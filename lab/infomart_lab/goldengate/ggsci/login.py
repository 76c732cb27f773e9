"""The database user of a conversation, and the credential store with the aliases."""

from __future__ import annotations

from infomart_lab.goldengate.ggsci.commands import CommandError, Options, invalid_command, invalid_option
from infomart_lab.goldengate.ggsci.session import Session
from infomart_lab.goldengate.parameters import parse_login

_DEFAULT_DOMAIN = "OracleGoldenGate"


def dblogin(session: Session, options: Options) -> str:
    """DBLOGIN USERID u[@svc] PASSWORD p | USERIDALIAS a [DOMAIN d]."""
    kind = options.keyword()
    if kind == "USERID":
        user, password = parse_login(" ".join(options.rest()))
        if password is None:
            password = session.answer()
    elif kind == "USERIDALIAS" and session.wording != "11.2":
        user, password = _by_alias(session, options)
    else:
        raise invalid_command()
    name = user.partition("@")[0].upper()
    if refused := session.home.check_login(user, password):
        return (
            f"ERROR: Unable to connect to database using user {name}. Please check privileges.\n"
            f"OCI Error {refused} (status = 1017)"
        )
    session.connect()
    session.user, session.container = name, session.home.container_of_login(user)
    return "Successfully logged into database."


def _by_alias(session: Session, options: Options) -> tuple[str, str]:
    alias, domain = options.next("alias"), _DEFAULT_DOMAIN
    if options.peek() == "DOMAIN":
        options.next()
        domain = options.next("domain")
    entry = (session.home.credentials() or {}).get(f"{domain}.{alias}".lower())
    if entry is None:
        raise CommandError(f"ERROR: Alias '{alias}' not found in credential store domain '{domain}'.")
    return entry["user"], entry["password"]


def add_credentialstore(session: Session, options: Options) -> str:
    if session.wording == "11.2":
        raise invalid_command()
    if session.home.credentials() is not None:
        return "ERROR: Unable to create a new credential store. Credential store already exists."
    session.home.save_credentials({})
    return "Credential store created."


def _store(session: Session) -> dict[str, dict[str, str]]:
    store = session.home.credentials()
    if store is None or session.wording == "11.2":
        raise CommandError("ERROR: Unable to open credential store. Error code 28759.")
    return store


def alter_credentialstore(session: Session, options: Options) -> str:
    """ALTER CREDENTIALSTORE ADD|REPLACE|DELETE USER u[@svc] [PASSWORD p] ALIAS a [DOMAIN d]."""
    store = _store(session)
    action = options.keyword()
    values: dict[str, str] = {"DOMAIN": _DEFAULT_DOMAIN}
    while options:
        word = options.keyword()
        if word not in ("USER", "PASSWORD", "ALIAS", "DOMAIN"):
            raise invalid_option(word)
        values[word] = options.next(word).strip("\"'")
    user, domain = values.get("USER", ""), values["DOMAIN"]
    alias = values.get("ALIAS") or user
    key = f"{domain}.{alias}".lower()
    if action == "DELETE":
        if store.pop(key, None) is None:
            return f"ERROR: Alias '{alias}' not found."
    elif action not in ("ADD", "REPLACE") or not user:
        raise invalid_command()
    else:
        password = values["PASSWORD"] if "PASSWORD" in values else session.answer()
        if action == "ADD" and key in store:
            return f"ERROR: Alias '{alias}' already exists in credential store domain '{domain}'."
        store[key] = {"user": user, "password": password, "alias": alias, "domain": domain}
    session.home.save_credentials(store)
    return "Credential store altered."


def info_credentialstore(session: Session, options: Options) -> str:
    lines = ["Reading from credential store:\n", f"Default domain: {_DEFAULT_DOMAIN}\n"]
    lines += [f"  Alias: {entry['alias']}\n  Userid: {entry['user']}\n" for entry in _store(session).values()]
    return "\n".join(lines)
