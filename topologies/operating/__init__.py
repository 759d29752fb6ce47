"""What an operator can do with a node: one implementation for the `w3b` command and the doors.

A function takes a `Desk`, the settings and what was asked by name, and answers what JSON can say;
`calls` is the list of those that the doors serve. Commands print the answers.
"""
