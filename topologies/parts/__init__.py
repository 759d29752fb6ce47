"""The parts that a node's stages run: rooms of `streams` put to work, one module a stage.

A process imports only the modules of its own roles: web3 alone takes a second.
"""
