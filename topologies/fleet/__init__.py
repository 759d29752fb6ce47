"""A fleet of cars that sends to a node: simulated drives, recordings, and who plays them.

Problem: to see a node work, someone has to drive. Real recordings are few and have blemishes;
a sine wave has neither red lights nor bad drivers, so no event of note would ever follow.

Here are two sources of the same messages, those that the program ``safe_driving`` reads: cars
that drive plausibly and are the same for the same seed (`simulator`), and OBD-II recordings as
they lie in files (`carobd`). The `player` is a real client of a node's HTTP door: each device
proves its key, sends in order, and repeats what was not acknowledged under the same ids.
"""
