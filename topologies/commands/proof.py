"""`w3b proof`: take a claim's proof out of a node, and have the contract check one."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.commands import CommandError, settings_of

if TYPE_CHECKING:
    from topologies.__main__ import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command and its forms."""
    parser = subparsers.add_parser(
        "proof",
        help="claims' proofs: get one, verify one",
        description="A proof shows that a claim belongs to an epoch that the authorities "
        "certified on the chain.",
    )
    forms = parser.add_subparsers(required=True, metavar="FORM")

    get = forms.add_parser(
        "get",
        help="write a claim's proof to a file",
        description="Name the claim by its subject (the newest certified one is taken), or by its "
        "place: epoch, partition and index.",
    )
    get.add_argument("dapp", metavar="DAPP")
    get.add_argument("--subject", metavar="S", help="as the program gave it; a device's DID, often")
    for name in ("epoch", "partition", "index"):
        get.add_argument(f"--{name}", type=_count, metavar=name[0].upper())
    get.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: standard output")
    get.set_defaults(func=_get)

    verify = forms.add_parser(
        "verify",
        help="have the contract check a proof",
        description="Check a proof here and ask the contract. Exit status 1 where it is refused.",
    )
    verify.add_argument("file", type=Path, metavar="FILE", help="made by `w3b proof get`")
    verify.add_argument(
        "--contract", type=_address, metavar="ADDRESS", help="default: that of the node"
    )
    verify.set_defaults(func=_verify)


def _get(args: argparse.Namespace) -> int:
    from streams.database.server import DatabaseError
    from topologies.operating.reading import get_proof
    from topologies.proving import NoProof

    place = (args.epoch, args.partition, args.index)
    try:
        made = get_proof(None, settings_of(args), args.dapp, args.subject or "", *place)
    except (NoProof, DatabaseError) as error:
        raise CommandError(str(error)) from error
    data = made["proof"].encode()
    if args.output is None:
        sys.stdout.buffer.write(data)
        return 0
    try:
        args.output.write_bytes(data)
    except OSError as error:
        raise CommandError(f"{args.output} cannot be written: {error.strerror}") from error
    found = f"claim {made['index']} of epoch {made['epoch']}, partition {made['partition']}"
    print(f"{args.output}: {found}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    import requests
    from web3.exceptions import Web3Exception

    from streams.chain.deployment import DeploymentError
    from streams.chain.json_rpc import host_of
    from streams.consensus.proof_file import ProofFileError, decode_proof_file
    from topologies.proving import contract_of, show_to_contract

    settings = settings_of(args)
    assert settings.chain_rpc_url is not None
    try:
        contract = args.contract or contract_of(settings.data)
        file = decode_proof_file(args.file.read_bytes())
        verdict = show_to_contract(settings.chain_rpc_url, contract, file)
    except OSError as error:
        if isinstance(error, requests.RequestException):
            where = host_of(settings.chain_rpc_url)
            raise CommandError(f"the chain at {where} does not answer") from error
        raise CommandError(f"{args.file} cannot be read: {error.strerror}") from error
    except ProofFileError as error:
        print(f"refused: {args.file} is not a proof: {error}")
        return 1
    except DeploymentError as error:
        raise CommandError(f"{error}; or name the contract with --contract") from error
    except Web3Exception as error:
        raise CommandError(f"there is no W3bStream contract at 0x{contract.hex()}") from error
    claim, checkpoint = file.proof.claim, file.checkpoint
    print(
        f"claim {claim.index} of {claim.dapp}, epoch {claim.epoch}, partition {claim.partition}\n"
        f"  subject    {claim.subject.decode(errors='backslashreplace')}\n"
        f"  statement  {claim.statement.decode(errors='backslashreplace')}\n"
        f"checked here: {'holds' if file.leads_to_checkpoint() else 'does not hold'}; "
        f"one of {checkpoint.claims} claims over {checkpoint.messages} messages"
    )
    if not verdict.accepted:
        print(f"refused by contract 0x{contract.hex()}: {verdict.reason}")
        return 1
    print(f"accepted by contract 0x{contract.hex()} ({verdict.check_gas} gas if paid for)")
    return 0


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no count")
    return int(text)


def _address(text: str) -> bytes:
    try:
        address = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        address = b""
    if len(address) != 20:
        raise argparse.ArgumentTypeError(f"{text!r} is no address: 0x and 40 hex digits")
    return address
