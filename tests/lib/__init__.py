"""What the tests in Python share.

wire    the frames of ferry-protocol(7): layouts, encoding, decoding, digests
peer    a sender and a receiver made of them, honest unless told otherwise
proxy   a TCP proxy that records, changes, cuts, delays or drops
tree    what is in a directory, for comparisons
lab     the program under test, its processes, and what must hold of them
keys    key files and the keys derived from them
limits  time limits, scaled to the machine; what a machine lacks
ports   a free port for a listener that starts later
scratch.h  a temporary directory, for the tests in C

Nothing here uses ferry's own code: wire and peer are a second implementation
of the protocol, written from its manual page.
"""
