# pragma version ==0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title W3bStream's certified epochs
@license Apache-2.0
@notice Keeps, for each Dapp and epoch, the digest of the checkpoint that a quorum of authorities
        signed, and tells anyone whether a claim is part of it.
@dev A checkpoint's digest is EIP-712 over the domain {name "W3bStream", version "1", chainId,
     verifyingContract}. Only the digest is stored (one slot an epoch); whoever asks about a claim
     brings the checkpoint along. Trees are RFC 6962's with SHA-256.
     An epoch may come late, but only once: `latest_epoch` never falls.
"""


MAX_AUTHORITIES: constant(uint256) = 31
MAX_DEPTH: constant(uint256) = 32

DOMAIN_TYPE_HASH: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
CHECKPOINT_TYPE_HASH: constant(bytes32) = keccak256(
    "Checkpoint(string dapp,uint64 epoch,uint32 partitions,bytes32 program,bytes32 inputRoot,bytes32 claimsRoot,bytes32 stateRoot,uint64 messages,uint64 repeats,uint64 dead,uint64 results,uint64 claims)"
)
NAME_HASH: constant(bytes32) = keccak256("W3bStream")
VERSION_HASH: constant(bytes32) = keccak256("1")

# Half of secp256k1's order: a signature with a greater `s` has a twin (EIP-2).
MAX_S: constant(bytes32) = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


struct Checkpoint:
    dapp: String[32]
    epoch: uint64
    partitions: uint32
    program: bytes32
    input_root: bytes32
    claims_root: bytes32
    state_root: bytes32
    messages: uint64
    repeats: uint64
    dead: uint64
    results: uint64
    claims: uint64


struct Claim:
    partition: uint32
    index: uint32
    salt: bytes16
    subject: Bytes[256]
    statement: Bytes[4096]


# @notice Who may change the authorities.
owner: public(address)

# @notice Who takes over ownership once it accepts.
pending_owner: public(address)

# @notice How many authorities have to sign.
threshold: public(uint256)

# @notice Whether an address is an authority.
is_authority: public(HashMap[address, bool])

# @notice The digest of a Dapp's certified checkpoint of an epoch; empty where there is none.
certified_digest: public(HashMap[String[32], HashMap[uint64, bytes32]])

# @notice The greatest epoch of a Dapp that is certified; 0 where there is none.
latest_epoch: public(HashMap[String[32], uint64])

_authorities: DynArray[address, MAX_AUTHORITIES]


event EpochCertified:
    dapp_hash: indexed(bytes32)
    epoch: indexed(uint64)
    digest: indexed(bytes32)
    dapp: String[32]
    program: bytes32
    input_root: bytes32
    claims_root: bytes32
    state_root: bytes32
    messages: uint64
    claims: uint64


event AuthoritiesChanged:
    authorities: DynArray[address, MAX_AUTHORITIES]
    threshold: uint256


event OwnershipTransferStarted:
    previous_owner: indexed(address)
    new_owner: indexed(address)


event OwnershipTransferred:
    previous_owner: indexed(address)
    new_owner: indexed(address)


@deploy
def __init__(
    owner_: address, authorities_: DynArray[address, MAX_AUTHORITIES], threshold_: uint256
):
    """
    @dev The owner is given, not `msg.sender`: a CREATE2 factory deploys this contract.
    @param owner_ Who may change the authorities.
    @param authorities_ The authorities, in ascending order.
    @param threshold_ How many of them have to sign; more than half.
    """
    assert owner_ != empty(address), "w3bstream: owner is the zero address"
    self.owner = owner_
    log OwnershipTransferred(previous_owner=empty(address), new_owner=owner_)
    self._set_authorities(authorities_, threshold_)


@external
def submit(checkpoint: Checkpoint, signatures: DynArray[Bytes[65], MAX_AUTHORITIES]) -> bool:
    """
    @notice Certifies an epoch. Anyone may bring it: the signatures decide.
    @dev Doing it again with the same checkpoint changes nothing.
    @param checkpoint What was signed.
    @param signatures r, s and v (27 or 28) of the authorities, signers in ascending order.
    @return Whether the epoch is new.
    """
    assert len(checkpoint.dapp) != 0, "w3bstream: dapp is empty"
    digest: bytes32 = self._digest(checkpoint)
    certified: bytes32 = self.certified_digest[checkpoint.dapp][checkpoint.epoch]
    if certified == digest:
        return False
    assert certified == empty(bytes32), "w3bstream: epoch is certified with another checkpoint"
    self._check_signatures(digest, signatures)

    self.certified_digest[checkpoint.dapp][checkpoint.epoch] = digest
    if checkpoint.epoch > self.latest_epoch[checkpoint.dapp]:
        self.latest_epoch[checkpoint.dapp] = checkpoint.epoch
    log EpochCertified(
        dapp_hash=keccak256(checkpoint.dapp),
        epoch=checkpoint.epoch,
        digest=digest,
        dapp=checkpoint.dapp,
        program=checkpoint.program,
        input_root=checkpoint.input_root,
        claims_root=checkpoint.claims_root,
        state_root=checkpoint.state_root,
        messages=checkpoint.messages,
        claims=checkpoint.claims,
    )
    return True


@external
@view
def claim_included(
    checkpoint: Checkpoint,
    claim: Claim,
    siblings: DynArray[bytes32, MAX_DEPTH],
    partition_siblings: DynArray[bytes32, MAX_DEPTH],
) -> bool:
    """
    @notice Whether a claim belongs to a certified epoch.
    @param checkpoint The epoch's checkpoint, as it was signed.
    @param claim The claim and its place.
    @param siblings From the claim's leaf to its partition's claims root.
    @param partition_siblings From that partition's leaf to the checkpoint's claims root.
    @return True only if the checkpoint is the certified one and both paths lead to its root.
    """
    certified: bytes32 = self.certified_digest[checkpoint.dapp][checkpoint.epoch]
    if certified == empty(bytes32) or certified != self._digest(checkpoint):
        return False
    leaf: bytes32 = self._claim_leaf(checkpoint.dapp, checkpoint.epoch, claim)
    partition_root: bytes32 = self._root(leaf, claim.index, siblings)
    if partition_root == empty(bytes32):
        return False
    partition_leaf: bytes32 = sha256(concat(b"\x00", partition_root))
    return self._root(partition_leaf, claim.partition, partition_siblings) == checkpoint.claims_root


@external
@view
def checkpoint_digest(checkpoint: Checkpoint) -> bytes32:
    """
    @notice What the authorities sign for a checkpoint (EIP-712).
    @param checkpoint Any checkpoint.
    @return Its digest on this chain and for this contract.
    """
    return self._digest(checkpoint)


@external
@view
def authorities() -> DynArray[address, MAX_AUTHORITIES]:
    """
    @notice The authorities.
    @return Their addresses, in ascending order.
    """
    return self._authorities


@external
def set_authorities(authorities_: DynArray[address, MAX_AUTHORITIES], threshold_: uint256):
    """
    @notice Replaces the authorities; epochs that are certified stay so.
    @param authorities_ The new authorities, in ascending order.
    @param threshold_ How many of them have to sign; more than half.
    """
    assert msg.sender == self.owner, "w3bstream: caller is not the owner"
    self._set_authorities(authorities_, threshold_)


@external
def transfer_ownership(new_owner: address):
    """
    @notice Offers the ownership; it moves when the new owner accepts.
    @param new_owner Who is to take over; the zero address takes an offer back.
    """
    assert msg.sender == self.owner, "w3bstream: caller is not the owner"
    self.pending_owner = new_owner
    log OwnershipTransferStarted(previous_owner=msg.sender, new_owner=new_owner)


@external
def accept_ownership():
    """
    @notice Takes over an offered ownership.
    """
    assert msg.sender == self.pending_owner, "w3bstream: caller is not the new owner"
    log OwnershipTransferred(previous_owner=self.owner, new_owner=msg.sender)
    self.owner = msg.sender
    self.pending_owner = empty(address)


@internal
def _set_authorities(authorities_: DynArray[address, MAX_AUTHORITIES], threshold_: uint256):
    """
    @dev Ascending order makes every address count once.
    """
    assert threshold_ <= len(authorities_), "w3bstream: threshold is above the authorities"
    assert 2 * threshold_ > len(authorities_), "w3bstream: threshold is no majority"
    for authority: address in self._authorities:
        self.is_authority[authority] = False
    previous: address = empty(address)
    for authority: address in authorities_:
        assert convert(authority, uint160) > convert(
            previous, uint160
        ), "w3bstream: authorities are not in ascending order"
        self.is_authority[authority] = True
        previous = authority
    self._authorities = authorities_
    self.threshold = threshold_
    log AuthoritiesChanged(authorities=authorities_, threshold=threshold_)


@internal
@view
def _check_signatures(digest: bytes32, signatures: DynArray[Bytes[65], MAX_AUTHORITIES]):
    """
    @dev Reverts unless at least `threshold` authorities signed, each once and nobody else.
    """
    assert len(signatures) >= self.threshold, "w3bstream: too few signatures"
    previous: uint160 = 0
    for signature: Bytes[65] in signatures:
        assert len(signature) == 65, "w3bstream: signature is not of 65 bytes"
        r: uint256 = extract32(signature, 0, output_type=uint256)
        s: uint256 = extract32(signature, 32, output_type=uint256)
        v: uint256 = convert(slice(signature, 64, 1), uint256)
        assert s <= convert(MAX_S, uint256), "w3bstream: signature is malleable"
        signer: address = ecrecover(digest, v, r, s)
        assert self.is_authority[signer], "w3bstream: signer is not an authority"
        assert convert(signer, uint160) > previous, "w3bstream: signers are not in ascending order"
        previous = convert(signer, uint160)


@internal
@view
def _digest(checkpoint: Checkpoint) -> bytes32:
    """
    @dev The domain is computed each time: a chain that forks changes its id.
    """
    separator: bytes32 = keccak256(
        abi_encode(DOMAIN_TYPE_HASH, NAME_HASH, VERSION_HASH, chain.id, self)
    )
    struct_hash: bytes32 = keccak256(
        abi_encode(
            CHECKPOINT_TYPE_HASH,
            keccak256(checkpoint.dapp),
            checkpoint.epoch,
            checkpoint.partitions,
            checkpoint.program,
            checkpoint.input_root,
            checkpoint.claims_root,
            checkpoint.state_root,
            checkpoint.messages,
            checkpoint.repeats,
            checkpoint.dead,
            checkpoint.results,
            checkpoint.claims,
        )
    )
    return keccak256(concat(b"\x19\x01", separator, struct_hash))


@internal
@view
def _claim_leaf(dapp: String[32], epoch: uint64, claim: Claim) -> bytes32:
    """
    @dev Lengths stand before what varies, so that no two claims have the same bytes.
    """
    return sha256(
        concat(
            b"\x00",
            convert(convert(len(dapp), uint8), bytes1),
            convert(dapp, Bytes[32]),
            convert(epoch, bytes8),
            convert(claim.partition, bytes4),
            convert(claim.index, bytes4),
            claim.salt,
            convert(convert(len(claim.subject), uint32), bytes4),
            claim.subject,
            convert(convert(len(claim.statement), uint32), bytes4),
            claim.statement,
        )
    )


@internal
@view
def _root(leaf: bytes32, index: uint32, siblings: DynArray[bytes32, MAX_DEPTH]) -> bytes32:
    """
    @dev The root that a leaf leads to; empty if no tree has such a path. Sides follow from the
         index and the path's length: a sibling lies left where the index's bit is 1; once only as
         many siblings are left as the index has bits set, the node is on the tree's right edge and
         all the rest lie left.
    """
    node: bytes32 = leaf
    rest: uint256 = convert(index, uint256)
    lefts: uint256 = self._ones(rest)
    steps: uint256 = len(siblings)
    if lefts > steps:
        return empty(bytes32)
    for sibling: bytes32 in siblings:
        if lefts == steps or rest & 1 == 1:
            node = sha256(concat(b"\x01", sibling, node))
            lefts -= 1
        else:
            node = sha256(concat(b"\x01", node, sibling))
        rest = rest >> 1
        steps -= 1
    return node


@internal
@pure
def _ones(number: uint256) -> uint256:
    """
    @dev The bits set in a number below 2**32, counted in pairs, nibbles, bytes (the masks are
         0x55555555, 0x33333333, 0x0F0F0F0F and 0x01010101).
    """
    pairs: uint256 = number - ((number >> 1) & 1431655765)
    nibbles: uint256 = (pairs & 858993459) + ((pairs >> 2) & 858993459)
    octets: uint256 = (nibbles + (nibbles >> 4)) & 252645135
    return ((octets * 16843009) >> 24) & 255
