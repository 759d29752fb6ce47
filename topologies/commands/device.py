"""`w3b device`: whose devices may send, and to which Dapps."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.filesystem.store import BlobError, FileStore
from streams.registry.entries import Device
from streams.registry.ownership import OWNERSHIP, owned_device
from streams.wallet.credentials.faults import CredentialError
from streams.wallet.did import KeyKind
from streams.wallet.keys import KeyFileError, load_or_create
from topologies.believing import CREDENTIALS, verifier
from topologies.commands import CommandError, settings_of
from topologies.commands.erasure import add_asking, wait_and_print
from topologies.importing import register_import
from topologies.operating import erasing, senders
from topologies.registering import known_dapp, open_desk, print_table

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command and its forms."""
    parser = subparsers.add_parser(
        "device",
        help="whose devices may send, and to which Dapps",
        description="Add, list and revoke devices, which every door of a running node follows at "
        "once; erase what they have sent.",
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")

    add = forms.add_parser(
        "add",
        help="register a device for its owner",
        description="Register a device, named by its public key, and its owner if need be.",
    )
    identity = add.add_mutually_exclusive_group(required=True)
    identity.add_argument("--did", metavar="DID", help="its did:key (Ed25519, secp256k1 or P-256)")
    identity.add_argument(
        "--key-file", type=Path, metavar="FILE",
        help="its Ed25519 key (PKCS#8 PEM); a new one is made there if the file is absent",
    )  # fmt: skip
    identity.add_argument(
        "--credential", type=Path, metavar="FILE",
        help=f"a {OWNERSHIP} that its owner signed, which names both",
    )  # fmt: skip
    add.add_argument("--owner", metavar="OWNER", help="whose it is, unless a credential says so")
    add.add_argument(
        "--grant", nargs="+", action="extend", default=[], metavar="DAPP",
        help="Dapps that get what the owner's devices send",
    )  # fmt: skip
    add.set_defaults(func=_add)

    register_import(forms)

    ls = forms.add_parser("ls", help="all devices")
    ls.add_argument("--owner", metavar="OWNER", help="only this owner's")
    ls.add_argument("--json", action="store_true", help="print JSON")
    ls.set_defaults(func=_ls)

    show = forms.add_parser("show", help="a device, and the credential by which it is its owner's")
    show.add_argument("did", metavar="DID")
    show.set_defaults(func=_show)

    revoke = forms.add_parser("revoke", help="take no more messages from a device, for good")
    revoke.add_argument("did", metavar="DID")
    revoke.set_defaults(func=_revoke)

    erase = forms.add_parser(
        "erase",
        help="erase what a device has sent so far, and what came of it",
        description="Erase a device's messages, results, dead letters and keyed state up to now, "
        "in all Dapps, and print the certificate of what went and what remains where and until "
        "when. What it sends later is kept; `w3b device revoke` has it send no more.",
    )
    erase.add_argument("did", metavar="DID")
    add_asking(erase)
    erase.set_defaults(func=_erase)


def _add(args: argparse.Namespace) -> int:
    with open_desk(settings_of(args)) as desk:
        for dapp in args.grant:
            known_dapp(desk, dapp)  # before a key is made
        added = senders.add(desk, _device(args), args.grant)
    granted = ", ".join(added["granted"]) or "no Dapp yet"
    print(f"{added['device']}\n  of {added['owner']}, who has granted: {granted}")
    return 0


def _device(args: argparse.Namespace) -> Device:
    """The device as the arguments say it."""
    if args.credential is None:
        if args.owner is None:
            raise CommandError("say whose it is: --owner, or a --credential that its owner signed")
        return Device(args.did or _did_of(args.key_file), args.owner)
    settings = settings_of(args)
    try:
        text = args.credential.read_text().strip()
        device = owned_device(text, verifier(settings))
        FileStore(settings.files_url).within(CREDENTIALS).put(text.encode())
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{args.credential}: {error}") from error
    except CredentialError as error:
        raise CommandError(f"{args.credential} is refused: {error.fault}: {error}") from error
    if args.owner not in (None, device.owner):
        raise CommandError(f"{args.credential} makes the device {device.owner}'s")
    return device


def _did_of(key_file: Path) -> str:
    try:
        return load_or_create(key_file, KeyKind.ED25519).did
    except KeyFileError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{key_file}: cannot be made: {error.strerror}") from error


def _ls(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        devices = senders.list_devices(desk, settings, args.owner or "")["devices"]
        grants = {
            owner: ", ".join(sorted(desk.registry.grants(owner)))
            for owner in {device["owner"] for device in devices}
        }
        holds = {one["device"]: desk.registry.hold(one["device"]) for one in devices}
    if args.json:
        rows = [{"did": device.pop("device"), **device} for device in devices]
        print(json.dumps(rows, indent=2))
        return 0
    table: list[tuple[str, ...]] = []
    for one in devices:
        hold = holds[one["device"]]
        status = one["status"] if hold is None else f"held: {hold.fault}"
        table.append((one["device"], one["owner"], status, grants[one["owner"]]))
    print_table(("DEVICE", "OWNER", "STATUS", "GRANTED"), table)
    return 0


def _show(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        device = senders.known_device(desk, args.did)
        hold = desk.registry.hold(device.did)
    shown: dict[str, Any] = {"did": device.did, "owner": device.owner, "status": device.status}
    if device.credential is not None:
        shown["held"] = None if hold is None else asdict(hold)
        try:
            store = FileStore(settings.files_url).within(CREDENTIALS)
            text = store.get(device.credential.sha256).decode()
            shown["credential"] = json.loads(text) if text.startswith("{") else text
        except (OSError, BlobError) as error:
            shown["credential"] = f"{device.credential.sha256}: {error}"
    print(json.dumps(shown, indent=2))
    return 0


def _revoke(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        senders.revoke_device(desk, settings, args.did)
    print(f"{args.did} revoked")
    return 0


def _erase(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        asked = erasing.erase_device(desk, settings, args.did, args.erasure)
        return wait_and_print(args, desk, asked)
