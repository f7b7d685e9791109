"""Key files, and the keys that ferry-protocol(7) derives from them."""
import hmac
import os
import re

PSK_LABEL = b"ferry/1 sender psk"
ID_LABEL = b"ferry/2 sender identity key"
TAG_LABEL = b"ferry/2 identity "


def hkdf_expand(secret, info, size):
    """RFC 5869 with SHA-256."""
    out, block, i = b"", b"", 1
    while len(out) < size:
        block = hmac.digest(secret, block + info + bytes([i]), "sha256")
        out, i = out + block, i + 1
    return out[:size]


def hkdf(secret, info, size):
    """Without a salt."""
    return hkdf_expand(hmac.digest(bytes(32), secret, "sha256"), info, size)


class Key:
    """What a key file holds and what TLS gets of it."""

    def __init__(self, path):
        with open(path, encoding="ascii") as f:
            self.hex = re.fullmatch(r"ferry-key-1:([0-9a-f]{64})\n",
                                    f.read())[1]
        self.secret = bytes.fromhex(self.hex)
        self.psk = hkdf(self.secret, PSK_LABEL, 32)
        # any nonce will do
        nonce = os.urandom(16).hex().encode()
        tag = hkdf(hkdf(self.secret, ID_LABEL, 32), TAG_LABEL + nonce, 16)
        self.identity = b"ferry/2 " + nonce + b" " + tag.hex().encode()
