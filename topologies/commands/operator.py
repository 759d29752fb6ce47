"""`w3b operator`: tokens for operators' calls at the endpoint's doors."""

import argparse
import re
from typing import TYPE_CHECKING, Final

from streams import limits
from streams.clock import SystemClock
from streams.endpoint.tokens import OPERATOR_TYPE, Tokens
from streams.wallet.keys import KeyFileError
from topologies.commands import CommandError, settings_of
from topologies.operating.auditing import tell_if_reachable
from topologies.unlocking import key_store

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers

_NAME: Final = re.compile(r"[A-Za-z0-9._@-]{1,64}")


def register(subparsers: "Subparsers") -> None:
    """Add the command and its forms."""
    parser = subparsers.add_parser(
        "operator",
        help="tokens for operators elsewhere",
        description="Make tokens with which a node is operated over HTTP and gRPC.",
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")
    token = forms.add_parser(
        "token",
        help="make a token",
        description="Print a token that does all that operators' calls can do. It is kept nowhere; "
        "`w3b wallet rotate tokens --now` ends it before its time.",
    )
    token.add_argument("--name", default="operator", metavar="NAME", help="what the log calls it")
    token.add_argument(
        "--minutes", type=int, default=60, metavar="N", help="how long it is good (60)"
    )
    token.set_defaults(func=_token)


def _token(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    if not _NAME.fullmatch(args.name):
        raise CommandError(f"{args.name!r} is no name: letters, digits and . _ @ -, at most 64")
    life_s = 60 * args.minutes
    if not 0 < life_s <= limits.OPERATOR_TOKEN_LIFE_S_MAX:
        most = limits.OPERATOR_TOKEN_LIFE_S_MAX // 60
        raise CommandError(f"--minutes {args.minutes}: give 1 to {most}")
    try:
        store = key_store(settings)
        tokens = Tokens(lambda: store.secrets("tokens"), SystemClock(), OPERATOR_TYPE)
        token, expires_ms = tokens.issue(args.name, life_s)
    except KeyFileError as error:
        raise CommandError(str(error)) from error
    print(token)
    tell_if_reachable(settings, "add", "token", args.name, after={"expires_ms": expires_ms})
    return 0
