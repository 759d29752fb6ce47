"""Verifiable credentials: what one says of another, signed, checked by anyone.

Problem: a node has to believe statements of others (this device is mine, this node is run by
us) without asking whoever made them each time. The naive way, any signature over any JSON, lets a
signature made for one purpose pass for another, a key of one speak for another, and two readers
see two documents in the same bytes.

So a credential (W3C Verifiable Credentials Data Model 2.0) is believed only when everything holds:
the JSON has one reading (`strict_json`), the model's required parts are there (`model`), the
signature is of a cryptosuite that is named here (`integrity`: eddsa-jcs-2022; `envelope`: vc+jwt),
made with a key that the issuer's DID document has for that purpose, at a time when it is valid, and
not revoked (`verifier`). Every refusal has one name (`faults`).
"""
