"""The virtual file system: programs and other large things, found by what they contain.

Problem: a program named by a path or a version can change under its name, so that two nodes, or
one node before and after a restart, run different code and sign different results. Here a thing's
name is the SHA-256 of its bytes: it cannot change, can be fetched from anywhere, and is checked
whenever it is read. Machine code (`compiled`) has no such name, as its bytes say nothing of what
it was made from; a MAC under the node's own secret vouches for it. Where the bytes lie (a folder,
an object store) is a URL for fsspec.
"""
