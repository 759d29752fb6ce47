"""The keys of a node and of its devices, and the names (DIDs) that follow from them.

Problem: a device, a node and an operator each have to show who they are, to others who hold
none of their secrets. The naive way, a table of names and passwords, makes the node the owner
of every identity and its database the prize. Here a name *is* a public key (``did:key``): whoever
signs with the key is the one named, and nothing secret has to be stored about anybody else.

A node's own keys lie sealed under a passphrase (`store`, `sealing`), behind an interface that
another store of keys can have as well. What one DID says of another is a credential
(`credentials`), believed because the issuer's document (`documents`, `resolver`) has the key that
signed it.
"""
