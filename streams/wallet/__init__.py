"""The keys of a node and of its devices, and the names (DIDs) that follow from them.

Problem: a device, a node and an operator each have to show who they are, to others who hold
none of their secrets. The naive way, a table of names and passwords, makes the node the owner
of every identity and its database the prize. Here a name *is* a public key (``did:key``): whoever
signs with the key is the one named, and nothing secret has to be stored about anybody else.

A node's own keys lie in files that only its user may read, one PKCS#8 PEM per key.
"""
