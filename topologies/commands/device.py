"""`w3b device`: whose devices may send, and to which Dapps."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from streams.clock import SystemClock
from streams.registry.entries import Device, DeviceStatus, Entry, Grant, Owner
from streams.wallet.did import KeyKind
from streams.wallet.keys import KeyFileError, load_or_create
from topologies.commands import CommandError, settings_of
from topologies.registering import Desk, open_desk, print_table

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command and its forms."""
    parser = subparsers.add_parser(
        "device",
        help="whose devices may send, and to which Dapps",
        description="Add, list and revoke devices. Every door of a running node follows at once.",
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
    add.add_argument("--owner", required=True, metavar="OWNER", help="whose it is")
    add.add_argument(
        "--grant", nargs="+", action="extend", default=[], metavar="DAPP",
        help="Dapps that get what the owner's devices send",
    )  # fmt: skip
    add.set_defaults(func=_add)

    ls = forms.add_parser("ls", help="all devices")
    ls.add_argument("--owner", metavar="OWNER", help="only this owner's")
    ls.add_argument("--json", action="store_true", help="print JSON")
    ls.set_defaults(func=_ls)

    revoke = forms.add_parser("revoke", help="take no more messages from a device, for good")
    revoke.add_argument("did", metavar="DID")
    revoke.set_defaults(func=_revoke)


def _add(args: argparse.Namespace) -> int:
    with open_desk(settings_of(args)) as desk:
        for dapp in args.grant:
            if desk.registry.dapp(dapp) is None:
                raise CommandError(f"there is no Dapp {dapp!r} to grant: see `w3b dapp ls`")
        did = args.did or _did_of(args.key_file)
        entries = _missing(desk, did, args.owner, args.grant)
        if entries:
            desk.registry.wait_for(desk.writer.put_all(entries))
        granted = sorted(desk.registry.grants(args.owner))
    print(f"{did}\n  of {args.owner}, who has granted: {', '.join(granted) or 'no Dapp yet'}")
    return 0


def _did_of(key_file: Path) -> str:
    try:
        return load_or_create(key_file, KeyKind.ED25519).did
    except KeyFileError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{key_file}: cannot be made: {error.strerror}") from error


def _missing(desk: Desk, did: str, owner: str, dapps: list[str]) -> list[Entry]:
    """What has to be written so that the device is the owner's and the Dapps are granted."""
    now_ms = SystemClock().now_ms()
    device = desk.registry.device(did)
    if device is not None and device.owner != owner:
        raise CommandError(f"device {did} belongs to {device.owner!r}: give it a key of its own")
    if device is not None and device.status is DeviceStatus.REVOKED:
        raise CommandError(f"device {did} was revoked, which is for good: give it a new key")
    entries: list[Entry] = []
    if desk.registry.owner(owner) is None:
        entries.append(Owner(owner, now_ms))
    if device is None:
        entries.append(Device(did, owner))
    grants = desk.registry.grants(owner)
    held = {dapp for dapp, grant in grants.items() if grant.holds_at(now_ms)}
    entries += [Grant(owner, dapp, now_ms) for dapp in dict.fromkeys(dapps) if dapp not in held]
    return entries


def _ls(args: argparse.Namespace) -> int:
    with open_desk(settings_of(args)) as desk:
        devices = [
            device
            for device in desk.registry.devices()
            if args.owner is None or device.owner == args.owner
        ]
        grants = {
            device.owner: ", ".join(sorted(desk.registry.grants(device.owner)))
            for device in devices
        }
    if args.json:
        print(
            json.dumps(
                [
                    {"did": device.did, "owner": device.owner, "status": device.status}
                    for device in devices
                ],
                indent=2,
            )
        )
        return 0
    print_table(
        ("DEVICE", "OWNER", "STATUS", "GRANTED"),
        [(device.did, device.owner, device.status, grants[device.owner]) for device in devices],
    )
    return 0


def _revoke(args: argparse.Namespace) -> int:
    with open_desk(settings_of(args)) as desk:
        device = desk.registry.device(args.did)
        if device is None:
            raise CommandError(f"there is no device {args.did!r}: see `w3b device ls`")
        revoked = Device(device.did, device.owner, DeviceStatus.REVOKED)
        desk.registry.wait_for(desk.writer.put(revoked))
    print(f"{device.did} revoked")
    return 0
