"""Why a credential or presentation is refused."""

from enum import StrEnum


class Fault(StrEnum):
    """Each refusal has one name, the same wherever a credential is shown."""

    TOO_LARGE = "too_large"
    MALFORMED_JSON = "malformed_json"
    MALFORMED_JWT = "malformed_jwt"
    MALFORMED_CREDENTIAL = "malformed_credential"
    MALFORMED_PRESENTATION = "malformed_presentation"
    CONTEXT_MISSING = "context_missing"
    TYPE_MISSING = "type_missing"
    PROOF_MISSING = "proof_missing"
    MALFORMED_PROOF = "malformed_proof"
    CRYPTOSUITE_UNSUPPORTED = "cryptosuite_unsupported"
    PURPOSE_MISMATCH = "purpose_mismatch"
    METHOD_NOT_AUTHORIZED = "method_not_authorized"
    DID_UNRESOLVED = "did_unresolved"
    SIGNATURE_INVALID = "signature_invalid"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    STATUS_UNSUPPORTED = "status_unsupported"
    STATUS_UNAVAILABLE = "status_unavailable"
    MALFORMED_STATUS = "malformed_status"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    CHALLENGE_MISMATCH = "challenge_mismatch"
    DOMAIN_MISMATCH = "domain_mismatch"


class CredentialError(ValueError):
    """A credential or presentation that is not believed; ``fault`` names why."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
