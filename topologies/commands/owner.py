"""`w3b owner`: who may own devices, and to which Dapps they give what."""

import argparse
import json
from typing import TYPE_CHECKING

from streams.clock import SystemClock
from topologies.commands import settings_of
from topologies.commands.erasure import add_asking, wait_and_print
from topologies.moments import moment_text, read_moment
from topologies.operating import erasing, senders
from topologies.registering import open_desk, print_table

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command and its forms."""
    parser = subparsers.add_parser(
        "owner",
        help="who may own devices, and what they grant",
        description="Add and list owners, and what they grant Dapps. One whose name is a DID may "
        "register devices.",
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")

    add = forms.add_parser("add", help="add an owner, who may then register devices")
    add.add_argument("owner", metavar="OWNER", help="a DID, or any word")
    add.add_argument(
        "--grant", nargs="+", action="extend", default=[], metavar="DAPP",
        help="Dapps that get what the owner's devices send",
    )  # fmt: skip
    add.set_defaults(func=_add)

    ls = forms.add_parser("ls", help="all owners")
    ls.add_argument("--json", action="store_true", help="print JSON")
    ls.set_defaults(func=_ls)
    _register_grants(forms)


def _register_grants(forms: "Subparsers") -> None:
    grant = forms.add_parser(
        "grant",
        help="let a Dapp have what an owner's devices send",
        description="Grant a Dapp what an owner's devices send, in place of what was granted "
        "before: of all devices or some, of all event types or some, for ever or until a time. "
        "Every door refuses the rest as not_granted, from the next message on.",
    )
    grant.add_argument("owner", metavar="OWNER")
    grant.add_argument("dapp", metavar="DAPP")
    grant.add_argument("--until", metavar="TIME", help="30m, 12h or 7d from now, or 2026-01-31")
    grant.add_argument(
        "--device", nargs="+", action="extend", default=[], metavar="DID", help="of these alone"
    )
    grant.add_argument(
        "--event-type", nargs="+", action="extend", default=[], metavar="TYPE",
        help="what they send as one of these alone",
    )  # fmt: skip
    grant.set_defaults(func=_grant)

    withdraw = forms.add_parser("withdraw", help="let a Dapp have nothing more of an owner's")
    withdraw.add_argument("owner", metavar="OWNER")
    withdraw.add_argument("dapp", metavar="DAPP")
    withdraw.set_defaults(func=_withdraw)

    grants = forms.add_parser("grants", help="what owners have granted")
    grants.add_argument("owner", nargs="?", default="", metavar="OWNER", help="only this one")
    grants.add_argument("--json", action="store_true", help="print JSON")
    grants.set_defaults(func=_grants)

    erase = forms.add_parser(
        "erase",
        help="erase what all devices of an owner have sent so far, and what came of it",
        description="As `w3b device erase`, for all devices of an owner.",
    )
    erase.add_argument("owner", metavar="OWNER")
    add_asking(erase)
    erase.set_defaults(func=_erase)


def _add(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        added = senders.add_owner(desk, settings, args.owner, args.grant)
    print(f"{args.owner}\n  has granted: {', '.join(added['granted']) or 'no Dapp yet'}")
    return 0


def _ls(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        owners = senders.list_owners(desk, settings)["owners"]
    if args.json:
        print(json.dumps(owners, indent=2))
        return 0
    print_table(
        ("OWNER", "DEVICES", "GRANTED"),
        [(one["owner"], str(one["devices"]), ", ".join(one["granted"])) for one in owners],
    )
    return 0


def _grant(args: argparse.Namespace) -> int:
    settings, until_ms = settings_of(args), 0
    if args.until is not None:
        until_ms = read_moment(args.until, SystemClock().now_ms(), is_ahead=True)
    with open_desk(settings) as desk:
        granted = senders.grant_dapp(
            desk, settings, args.owner, args.dapp, until_ms, args.device, args.event_type
        )
    print(f"{args.owner} has granted {args.dapp} {_scope(granted)}")
    return 0


def _withdraw(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        senders.withdraw_grant(desk, settings, args.owner, args.dapp)
    print(f"{args.dapp} has nothing more of {args.owner}'s")
    return 0


def _grants(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        grants = senders.list_grants(desk, settings, args.owner)["grants"]
    if args.json:
        print(json.dumps(grants, indent=2))
        return 0
    print_table(
        ("OWNER", "DAPP", "WHAT"), [(one["owner"], one["dapp"], _scope(one)) for one in grants]
    )
    return 0


def _scope(grant: dict[str, object]) -> str:
    devices, types, until_ms = grant["devices"], grant["event_types"], grant["until_ms"]
    assert isinstance(devices, list)
    assert isinstance(types, list)
    assert isinstance(until_ms, int)
    of = f"of {', '.join(devices)}" if devices else "of all devices"
    what = f"events {', '.join(types)}" if types else "all events"
    return f"{what} {of}" + (f" until {moment_text(until_ms)} UTC" if until_ms else "")


def _erase(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with open_desk(settings) as desk:
        asked = erasing.erase_owner(desk, settings, args.owner, args.erasure)
        return wait_and_print(args, desk, asked)
