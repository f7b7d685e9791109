/*
 * frame.h - the header of frames, and their types.
 *
 * Layer: wire.  Uses base only.  Pure.
 * Specified in ferry-protocol(7); that page and this file change together.
 *
 * All integers are big-endian.  A frame is a 12-byte header and a body:
 *
 *	u8  type	enum frame_type
 *	u8  flags	0 (reserved)
 *	u16 check	frame_header_crc() of type, flags and length
 *	u32 length	bytes of the body
 *	u32 body check	frame_body_crc() of the body without the payload of
 *			CHUNK, PACK, OFFER and LIST, which has its own digests
 */
#ifndef FERRY_WIRE_FRAME_H
#define FERRY_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_HEADER = 12,
	WIRE_VERSION = 2,
	CHUNK_MAX = 1 << 20, /* raw bytes in a CHUNK or PACK */
	WIRE_NAME_MAX = 4095,
	WIRE_TARGET_MAX = 4095,
	WIRE_TEXT_MAX = 512, /* of an ERROR */
	WIRE_TOKEN_LEN = 16, /* of JOIN and READY; also of a session id */
	WIRE_DIGEST_MAX = 32,
	WIRE_SUM_LEN = 16, /* of FINISH and SUMMARY */
	STREAMS_MAX = 16, /* of a session */
	WIRE_OPENING_MAX = 512, /* body of a HELLO, JOIN or READY */
	/* The largest body of a frame from the receiver.  These arrive while
	 * the sender is sending, so it has a small buffer for them. */
	FRAME_REPLY_MAX = 16384,
};

enum frame_type {
	/* sender to receiver */
	FRAME_HELLO = 1,      /* first frame of a session's first stream */
	FRAME_JOIN = 2,       /* first frame of every further stream */
	FRAME_OPEN = 3,       /* a file whose content is sent in chunks */
	FRAME_CHUNK = 4,      /* content of a file */
	FRAME_HOLE = 5,       /* content of a file that is zero, not sent */
	FRAME_FILE_END = 6,   /* all of a file was sent: size and digest */
	FRAME_FILE_ABORT = 7, /* a file will not be completed */
	FRAME_PACK = 8,       /* many small files, directories and symlinks */
	FRAME_STREAM_END = 9, /* nothing more is sent on this stream */
	FRAME_FINISH = 10,    /* every item has its verdict: end the session */
	FRAME_FLUSH = 11,     /* nothing more is sent for now: commit what has
				 arrived without waiting for more */
	FRAME_CHECK = 12,     /* digests of what the receiver says it has */
	FRAME_OFFER = 13,     /* a PACK without its files' content */
	FRAME_LIST = 15,      /* metadata alone: what of it is wanted? */
	FRAME_STREAMS = 37, /* by ssh: how many direct streams there are to be */
	FRAME_DELETE = 32,  /* what is there at the sender, and which of the
			       EXTRAs are to be deleted */
	FRAME_COMPARE = 14,   /* digests of leaves, or a request for those of the
				 basis: what does it share with the file? */
	/* receiver to sender */
	FRAME_READY = 16,   /* answer to HELLO and JOIN */
	FRAME_STATE = 17,   /* answer to OPEN: what is there already */
	FRAME_VERDICT = 18, /* the result for some items */
	FRAME_RESEND = 19,  /* a chunk or pack arrived damaged: send it again */
	FRAME_NOTE = 20,    /* a directory's metadata could not be set; from
			       the sender: an item could not be sent */
	FRAME_SUMMARY = 21, /* answer to FINISH: the receiver's last frame */
	FRAME_CHECKED = 22, /* answer to CHECK: what differs */
	FRAME_OFFERED = 23, /* answer to OFFER: what is wanted */
	FRAME_EXTRA = 33,   /* what is at the receiver, and what was deleted */
	FRAME_SIGNATURE = 24, /* there is a basis; answer to COMPARE */
	FRAME_LISTED = 26, /* answer to LIST */
	/* in both directions */
	FRAME_PROGRESS = 25, /* how much has arrived; how much there will be */
	FRAME_DIRECT = 36, /* by ssh: where this side listens, and the key */
	FRAME_BUSY = 28, /* heart-beat of a side that waits for something on its
			    own host, empty */
	FRAME_TIMEOUT = 29, /* how long its sender waits for a heart-beat */
	FRAME_PING = 30,  /* heart-beat, empty */
	FRAME_ERROR = 31, /* the session ends here, and why */
};
enum { FRAME_TYPES = 38 }; /* more than any of them */

struct frame {
	uint8_t type;
	uint32_t len;
	uint32_t body_check;
};

/*
 * The check of a header, over its first eight bytes without the check itself:
 * CRC-16 with polynomial 0x1021, initial value 0xffff, not reflected
 * (CRC-16/IBM-3740 in G. Cook's catalogue of parametrised CRC algorithms).
 * Without it, a reader would wait for the rest of a frame whose length was
 * damaged to a larger one, for as long as heart-beats arrive.
 */
uint16_t frame_header_crc(const uint8_t *header);

/*
 * The check of a body's fields: the CRC-32 of zlib and Ethernet; 0 for no
 * bytes.  Without TLS it is what notices a flipped bit in an id or a status,
 * which would otherwise be taken for that of another file: the 16-bit checksum
 * of TCP is weak.
 */
uint32_t frame_body_crc(const uint8_t *p, size_t n);

/*
 * Fill in the body checks of the whole frames in these n bytes, whose headers
 * were written by frame_put().  Only the last may be a CHUNK, PACK, OFFER or
 * LIST, and its payload must not be among the bytes: the check covers the
 * fields alone.
 */
void frame_seal(uint8_t *frames, size_t n);

/* Write the header of a frame with a body of len bytes to dst (FRAME_HEADER
 * bytes).  len must be in the range of the type: it is not checked here.
 * frame_seal() fills in the body check. */
void frame_put(uint8_t *dst, enum frame_type type, uint32_t len);

/*
 * Decode a header (FRAME_HEADER bytes) and check it: the CRC, a known type that
 * its writer may send, no flags, a length in the range of the type.
 * from_sender: whether that writer, the peer, is the sender.  Returns 0; or
 * ERR_PROTOCOL, and what f holds is undefined.
 */
int frame_get(struct frame *f, const uint8_t *src, int from_sender);

/* The features (enum wire_feature, or a request) without which a frame of this
 * type is not used; 0: none. */
uint32_t frame_needs(unsigned type);

/* Whether frames of this type bring something, or ask about what is being
 * brought. */
int frame_is_content(unsigned type);

/* The name of a type, such as "CHUNK"; "?" for an unknown one. */
const char *frame_name(unsigned type);

#endif
