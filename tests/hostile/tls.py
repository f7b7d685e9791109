"""A TLS 1.3 client of ferry's that knows a key file and misuses it.

The handshake is OpenSSL's, by ctypes, as Python's own module has no shared
keys; what is said afterwards is made here, record by record.  As
ferry-protocol(7) has it: identity, key and suites.
"""
import ctypes
import ctypes.util
import socket
import struct

from lib.keys import hkdf_expand

HANDSHAKE, DATA = 22, 23
KEY_UPDATE = b"\x18\0\0\1"
TLS_1_3 = 0x0304
AES_128_GCM_SHA256 = b"\x13\x01"
GET_TAG, KEY_BYTES, IV_BYTES, TAG_BYTES = 0x10, 16, 12, 16

pointer, number = ctypes.c_void_p, ctypes.c_int
USE_PSK = ctypes.CFUNCTYPE(number, pointer, pointer, ctypes.POINTER(pointer),
                           ctypes.POINTER(ctypes.c_size_t),
                           ctypes.POINTER(pointer))
KEY_LOG = ctypes.CFUNCTYPE(None, pointer, ctypes.c_char_p)


class Library:
    """Functions that return pointers say so; all others return an int."""

    def __init__(self, name, *that_return_pointers):
        self.library = ctypes.CDLL(ctypes.util.find_library(name))
        for each in that_return_pointers:
            getattr(self.library, each).restype = pointer

    def __getattr__(self, name):
        return getattr(self.library, name)


ssl = Library("ssl", "TLS_client_method", "SSL_CTX_new", "SSL_new",
              "SSL_SESSION_new", "SSL_CIPHER_find")
crypto = Library("crypto", "EVP_CIPHER_CTX_new", "EVP_aes_128_gcm")


def expand_label(secret, label, size):
    label = b"tls13 " + label
    return hkdf_expand(secret, struct.pack(">HB", size, len(label)) + label +
                       b"\0", size)


class Out:
    """Records under a traffic secret, whatever is in them."""

    def __init__(self, secret):
        self.context = pointer(crypto.EVP_CIPHER_CTX_new())
        self.set_secret(secret)

    def set_secret(self, secret):
        self.secret, self.count = secret, 0
        self.iv = int.from_bytes(expand_label(secret, b"iv", IV_BYTES), "big")
        crypto.EVP_EncryptInit_ex(
            self.context, pointer(crypto.EVP_aes_128_gcm()), None,
            expand_label(secret, b"key", KEY_BYTES), None)

    def record(self, kind, content=b""):
        text = content + bytes([kind])
        head = struct.pack(">BHH", DATA, 0x0303, len(text) + TAG_BYTES)
        out, tag = (ctypes.create_string_buffer(n)
                    for n in (len(text), TAG_BYTES))
        n = ctypes.c_int()
        nonce = (self.iv ^ self.count).to_bytes(IV_BYTES, "big")
        crypto.EVP_EncryptInit_ex(self.context, None, None, None, nonce)
        crypto.EVP_EncryptUpdate(self.context, None, ctypes.byref(n), head,
                                 len(head))
        crypto.EVP_EncryptUpdate(self.context, out, ctypes.byref(n), text,
                                 len(text))
        crypto.EVP_EncryptFinal_ex(self.context, tag, ctypes.byref(n))
        crypto.EVP_CIPHER_CTX_ctrl(self.context, GET_TAG, TAG_BYTES, tag)
        self.count += 1
        return head + out.raw + tag.raw

    def key_update(self, is_asked_back=False):
        record = self.record(HANDSHAKE, KEY_UPDATE + bytes([is_asked_back]))
        self.set_secret(expand_label(self.secret, b"traffic upd", 32))
        return record

    def release(self):
        crypto.EVP_CIPHER_CTX_free(self.context)


class Client:
    """OpenSSL's client on a socket, with this key or without any."""

    def __init__(self, sock, key=None):
        self.sock, self.key, self.secrets = sock, key, {}
        self.identity = None
        self.ctx = pointer(ssl.SSL_CTX_new(pointer(ssl.TLS_client_method())))
        # kept, as OpenSSL does not
        self.hooks = USE_PSK(self.use_psk), KEY_LOG(self.log_key)
        if key:
            ssl.SSL_CTX_set_psk_use_session_callback(self.ctx, self.hooks[0])
        ssl.SSL_CTX_set_keylog_callback(self.ctx, self.hooks[1])
        self.ssl = pointer(ssl.SSL_new(self.ctx))
        ssl.SSL_set_fd(self.ssl, sock.fileno())

    def use_psk(self, ssl_, _, identity, size, session):
        s = pointer(ssl.SSL_SESSION_new())
        ssl.SSL_SESSION_set1_master_key(s, self.key.psk,
                                        ctypes.c_size_t(32))
        ssl.SSL_SESSION_set_cipher(s, pointer(ssl.SSL_CIPHER_find(
            pointer(ssl_), AES_128_GCM_SHA256)))
        ssl.SSL_SESSION_set_protocol_version(s, TLS_1_3)
        self.identity = ctypes.create_string_buffer(self.key.identity)
        identity[0] = ctypes.addressof(self.identity)
        size[0] = len(self.key.identity)
        session[0] = s.value
        return 1

    def log_key(self, _, line):
        name, _, secret = line.decode().split()
        self.secrets[name] = bytes.fromhex(secret)

    def connect(self):
        """Whether the handshake succeeds."""
        return ssl.SSL_connect(self.ssl) == 1

    def out(self):
        """What makes the client's records after the handshake."""
        return Out(self.secrets["CLIENT_TRAFFIC_SECRET_0"])

    def release(self):
        ssl.SSL_free(self.ssl)
        ssl.SSL_CTX_free(self.ctx)


def client_hello(key=None):
    """What a client with this key says first."""
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        client = Client(near, key)
        client.connect()
        client.release()
        return far.recv(65536)
