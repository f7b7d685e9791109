"""POSIX ACLs, as Linux keeps them in extended attributes."""
import struct

ACCESS = "system.posix_acl_access"
DEFAULT = "system.posix_acl_default"

OWNER, USER, OWNERS_GROUP, GROUP, MASK, OTHERS = 1, 2, 4, 8, 16, 32
NO_ID = 0xffffffff


def encoded(entries):
    """entries: (tag, permissions), and the id of a USER or GROUP."""
    return struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, bits, who[0] if who else NO_ID)
        for tag, bits, *who in sorted(entries, key=lambda e: (e[0], e[2:])))
