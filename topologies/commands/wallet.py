"""`w3b wallet`: the node's identity, and credentials: issued, verified, presented."""

import argparse
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streams import limits
from streams.clock import SystemClock
from streams.wallet.credentials.envelope import read_unchecked
from streams.wallet.credentials.faults import CredentialError
from streams.wallet.credentials.issuing import Identity, Securing, Statement, issue, present
from streams.wallet.credentials.status import entry_of, list_of
from streams.wallet.credentials.verifier import Verifier
from streams.wallet.did import DidError, KeyKind
from streams.wallet.documents import check_did
from streams.wallet.keys import KeyFileError, load
from topologies.believing import verifier
from topologies.commands import CommandError, settings_of
from topologies.identity import held_credentials, hold, node_identity
from topologies.issued import NotIssued, new_status, revoke
from topologies.operating.auditing import tell_if_reachable
from topologies.operating.wallet import show_wallet
from topologies.unlocking import key_store, make_wallet, rotate_passphrase

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers

_ROTATED: Final = ("identity", "tokens")
_DAY_MS: Final = 24 * 3_600_000
# What terms mean that no other context defines (VC Data Model 2.0, section 5.2).
_UNDEFINED_TERMS: Final = "https://www.w3.org/ns/credentials/undefined-terms/v2"


def register(subparsers: "Subparsers") -> None:
    """Add the command and its forms."""
    parser = subparsers.add_parser(
        "wallet",
        help="the node's identity; credentials: issue, verify, present",
        description="The node's DID, keys and credentials (W3C Verifiable Credentials 2.0).",
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")

    _register_keys(forms)

    show = forms.add_parser("show", help="the node's DID, keys and credentials")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(func=_show)

    issued = forms.add_parser(
        "issue",
        help="sign a credential",
        description="Sign a credential: what the issuer says of the subject.",
    )
    issued.add_argument("--subject", required=True, metavar="DID", help="of whom")
    issued.add_argument("--type", action="append", default=[], metavar="T", help="what it is")
    issued.add_argument(
        "--claim", action="append", default=[], metavar="NAME=VALUE",
        help="what it says; VALUE is JSON, or else a text",
    )  # fmt: skip
    issued.add_argument(
        "--context", action="append", default=[], metavar="URL", help="defines types and claims"
    )
    status = issued.add_mutually_exclusive_group()
    status.add_argument(
        "--revocable", action="store_true", help="`w3b wallet revoke` can take it back"
    )
    status.add_argument(
        "--status", metavar="URL#PLACE",
        help="it can be taken back by a list that you publish there (`w3b wallet revocations`)",
    )  # fmt: skip
    issued.add_argument("--days", type=float, default=365, help="how long it is valid (365)")
    _add_signing(issued)
    issued.set_defaults(func=_issue)

    verify = forms.add_parser(
        "verify",
        help="check a credential, or with --challenge a presentation",
        description="Check a credential or a presentation. Exit status 1 where it is refused.",
    )
    verify.add_argument("file", type=Path, metavar="FILE", help="JSON with a proof, or a JWT")
    verify.add_argument("--challenge", metavar="TEXT", help="that the presentation has to answer")
    verify.add_argument("--domain", metavar="TEXT", help="for whom it has to be made")
    verify.set_defaults(func=_verify)

    _register_revoking(forms)

    add = forms.add_parser("add", help="keep a credential that is about the node")
    add.add_argument("file", type=Path, metavar="FILE")
    add.set_defaults(func=_add)

    presented = forms.add_parser(
        "present",
        help="answer a challenge with credentials",
        description="Sign a presentation of credentials, for one challenge and one domain.",
    )
    presented.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="credentials (default: the node's)"
    )
    presented.add_argument("--challenge", required=True, metavar="TEXT", help="the verifier's")
    presented.add_argument("--domain", required=True, metavar="TEXT", help="the verifier")
    _add_signing(presented)
    presented.set_defaults(func=_present)


def _register_revoking(forms: "Subparsers") -> None:
    revoked = forms.add_parser(
        "revoke", help="take a credential back that the node issued as revocable"
    )
    revoked.add_argument("credential", metavar="FILE|ID", help="the credential, or its id")
    revoked.set_defaults(func=_revoke)

    listed = forms.add_parser(
        "revocations",
        help="sign a list of what you have taken back, to be published",
        description="Sign a Bitstring Status List: put it where the URL leads, over HTTPS.",
    )
    listed.add_argument("url", metavar="URL", help="where it will be")
    listed.add_argument(
        "--revoked", nargs="*", type=int, default=[], metavar="PLACE", help="of each credential"
    )
    _add_signing(listed)
    listed.set_defaults(func=_list_revoked)


def _register_keys(forms: "Subparsers") -> None:
    init = forms.add_parser(
        "init",
        help="make the node's keys",
        description="Make the node's keys, sealed under the configured passphrase, one that you "
        "type, or a random one that the data directory keeps. A node's first start does the same.",
    )
    init.add_argument("--prompt", action="store_true", help="type the passphrase")
    init.set_defaults(func=_init)

    rotate = forms.add_parser(
        "rotate",
        help="another passphrase, identity or secret of tokens, while the node runs",
        description="Put a new one in place of the passphrase, the key of the node's DID or the "
        "secret under which it issues tokens. What was issued before stays valid for its time.",
    )
    rotate.add_argument("what", choices=["passphrase", *_ROTATED])
    rotate.add_argument("--prompt", action="store_true", help="type the new passphrase")
    rotate.add_argument(
        "--now", action="store_true", help="what was issued under the one before ends: it leaked"
    )
    rotate.set_defaults(func=_rotate)


def _add_signing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE",
        help="sign as the did:key of this key (PKCS#8 PEM); default: as the node",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=[one.value for one in Securing], default=Securing.DATA_INTEGRITY.value,
        help="a proof of eddsa-jcs-2022 in the JSON, or a JWT (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: standard output"
    )


def _init(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    try:
        opens = make_wallet(settings, args.prompt)
        did = node_identity(settings).did
    except KeyFileError as error:
        raise CommandError(str(error)) from error
    print(f"{did}\n  opened by {opens}")
    return 0


def _rotate(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    try:
        if args.what == "passphrase":
            print(f"the wallet is now opened by {rotate_passphrase(settings, args.prompt)}")
            tell_if_reachable(settings, "rotate", "key", "passphrase")
            return 0
        before = node_identity(settings).did
        key_store(settings).rotate(args.what, keep=not args.now)
        did = node_identity(settings).did
    except KeyFileError as error:
        raise CommandError(str(error)) from error
    print(f"{args.what} rotated" + (f": {before} is now {did}" if did != before else ""))
    dids = ({"did": before}, {"did": did}) if did != before else (None, None)
    tell_if_reachable(settings, "rotate", "key", args.what, before=dids[0], after=dids[1])
    return 0


def _show(args: argparse.Namespace) -> int:
    shown = show_wallet(None, settings_of(args))
    held = [_described(text, args) for text in shown["credentials"]]
    if args.json:
        said = {"did": shown["did"], "keys": shown["keys"], "credentials": held}
        print(json.dumps(said, indent=2))
        return 0
    print(f"{shown['did']}\n  signs with {shown['method']}")
    for name, address in shown["keys"].items():
        print(f"  {name:<10} {address}")
    for line in held or ["no credentials: `w3b wallet add` keeps one"]:
        print(f"  {line}")
    return 0


def _described(text: str, args: argparse.Namespace) -> Any:
    """One line of what is kept, or the thing itself."""
    if args.json:
        return json.loads(text) if text.startswith("{") else text
    try:
        credential = _verifier(args).credential(text)
    except CredentialError as error:
        return f"a credential that does not hold: {error.fault}: {error}"
    until = credential.body.get("validUntil", "further notice")
    return f"{' '.join(credential.types)} by {credential.issuer}, until {until}"


def _issue(args: argparse.Namespace) -> int:
    subject: dict[str, Any] = {"id": _did(args.subject)}
    for claim in args.claim:
        name, equals, value = claim.partition("=")
        if not (name and equals) or name == "id":
            raise CommandError(f"--claim {claim!r} is not NAME=VALUE")
        subject[name] = _json_or_text(value)
    now_ms = SystemClock().now_ms()
    contexts = args.context or ([_UNDEFINED_TERMS] if args.type or args.claim else [])
    if args.revocable and args.key_file is not None:
        raise CommandError("--revocable is for what the node signs: its list says what is revoked")
    try:
        name = uuid.uuid4().urn
        if args.status is not None:
            url, _, place = args.status.rpartition("#")
            if not (url.startswith("https://") and place.isdecimal()):
                raise CommandError(f"--status {args.status!r} is not https://…#PLACE")
            status: dict[str, Any] | None = entry_of(url, int(place))
        else:
            status = new_status(settings_of(args), name) if args.revocable else None
        until_ms = now_ms + int(args.days * _DAY_MS)
        statement = Statement(args.type, subject, contexts, until_ms, status, name)
        text = issue(statement, _identity(args), now_ms, Securing(args.format))
    except (CredentialError, NotIssued, ValueError, OverflowError) as error:
        raise CommandError(f"no such credential can be signed: {error}") from error
    return _put_out(args.output, text)


def _verify(args: argparse.Namespace) -> int:
    if (args.challenge is None) != (args.domain is None):
        raise CommandError("a presentation is checked with both --challenge and --domain")
    shown = _read(args.file)
    try:
        if args.challenge is None:
            credentials = [_verifier(args).credential(shown)]
            print("holds")
        else:
            presented = _verifier(args).presentation(
                shown, challenge=args.challenge, domain=args.domain
            )
            credentials = list(presented.credentials)
            print(f"holds: presented by {presented.presentation.holder}")
    except CredentialError as error:
        print(f"refused: {error.fault}: {error}")
        return 1
    for one in credentials:
        print(f"{' '.join(one.types)}\n  issuer   {one.issuer}")
        print(f"  says     {json.dumps(list(one.subjects), ensure_ascii=False)}")
        for name in ("validFrom", "validUntil"):
            print(f"  {name:<10} {one.body.get(name, 'not said')}")
    return 0


def _revoke(args: argparse.Namespace) -> int:
    name: str = args.credential
    try:
        if not name.startswith("urn:"):
            # Whether it holds is no matter; which of ours it is, is what it says.
            name = str(read_unchecked(_read(Path(name))).get("id"))
        revoke(settings_of(args), name)
    except (CredentialError, NotIssued) as error:
        raise CommandError(f"cannot be revoked: {error}") from error
    tell_if_reachable(settings_of(args), "revoke", "credential", name)
    print(
        f"{name} revoked; who has looked the list up before may take "
        f"{limits.STATUS_LIFE_S} s to notice"
    )
    return 0


def _list_revoked(args: argparse.Namespace) -> int:
    try:
        statement = list_of(args.url, args.revoked)
        text = issue(statement, _identity(args), SystemClock().now_ms(), Securing(args.format))
    except (CredentialError, ValueError) as error:
        raise CommandError(f"no such list can be signed: {error}") from error
    return _put_out(args.output, text)


def _add(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    text = _read(args.file)
    try:
        credential = _verifier(args).credential(text)
        did = node_identity(settings).did
    except CredentialError as error:
        raise CommandError(f"{args.file} is refused: {error.fault}: {error}") from error
    except KeyFileError as error:
        raise CommandError(str(error)) from error
    if did not in credential.subject_ids:
        raise CommandError(f"{args.file} is not about this node, {did}")
    print(f"kept: {hold(settings, text)}")
    return 0


def _present(args: argparse.Namespace) -> int:
    texts = [_read(file) for file in args.files] or held_credentials(settings_of(args))
    try:
        text = present(
            texts,
            _identity(args),
            SystemClock().now_ms(),
            challenge=args.challenge,
            domain=args.domain,
            securing=Securing(args.format),
        )
    except (CredentialError, ValueError) as error:
        raise CommandError(f"cannot be presented: {error}") from error
    return _put_out(args.output, text)


def _identity(args: argparse.Namespace) -> Identity:
    try:
        if args.key_file is None:
            return node_identity(settings_of(args))
        return Identity.of_key(load(args.key_file, *KeyKind))
    except KeyFileError as error:
        raise CommandError(str(error)) from error


def _verifier(args: argparse.Namespace) -> Verifier:
    return verifier(settings_of(args))


def _did(text: str) -> str:
    try:
        return check_did(text)
    except DidError as error:
        raise CommandError(str(error)) from error


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise CommandError(f"{file}: neither JSON nor a JWT") from None


def _put_out(output: Path | None, text: str) -> int:
    if output is None:
        print(text)
        return 0
    try:
        output.write_text(text + "\n")
    except OSError as error:
        raise CommandError(f"{output} cannot be written: {error.strerror}") from error
    print(f"{output} written")
    return 0
