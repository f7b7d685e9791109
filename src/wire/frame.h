/*
 * frame.h - the frame header, and which frames there are.
 *
 * Layer: wire.  Uses base only: links alone.  Pure.
 * Specified in ferry-protocol(7); that page and this file change together.
 *
 * All integers are big-endian.  A frame is a 12-byte header and a body:
 *
 *	u8  type	enum frame_type
 *	u8  flags	0 (reserved)
 *	u16 check	frame_check() of type, flags and length
 *	u32 length	bytes of the body
 *	u32 body check	frame_body_check() of the body, but for the payload of
 *			CHUNK, PACK and OFFER, which has digests of its own
 */
#ifndef FERRY_WIRE_FRAME_H
#define FERRY_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_HEADER = 12,
	WIRE_VERSION = 1,
	CHUNK_MAX = 1 << 20,     /* raw bytes in a CHUNK or PACK */
	WIRE_NAME_MAX = 4095,
	WIRE_LINK_MAX = 4095,
	WIRE_TEXT_MAX = 512,     /* of an ERROR */
	WIRE_TOKEN = 16,
	WIRE_DIGEST_MAX = 32,
	WIRE_SUM = 16,           /* of FINISH and SUMMARY */
	STREAMS_MAX = 16,        /* of a session */
	/* The largest body of a frame from the receiver: it may arrive while
	 * the sender is sending, into a small buffer. */
	FRAME_REPLY_MAX = 16384,
};

enum frame_type {
	/* sender to receiver */
	FRAME_HELLO = 1,      /* first frame of a session's first stream */
	FRAME_JOIN = 2,       /* first frame of every further stream */
	FRAME_OPEN = 3,       /* a file that is sent in chunks */
	FRAME_CHUNK = 4,      /* bytes of it */
	FRAME_HOLE = 5,       /* zero bytes of it, not sent */
	FRAME_FILE_END = 6,   /* its size and digest: all was sent */
	FRAME_FILE_ABORT = 7, /* it will not be completed */
	FRAME_PACK = 8,       /* many small files, directories and links */
	FRAME_STREAM_END = 9, /* nothing more on this stream */
	FRAME_FINISH = 10,    /* every file has its verdict: sum up */
	FRAME_FLUSH = 11,     /* empty: nothing more for now, commit what there
				 is without waiting for more */
	FRAME_CHECK = 12,     /* digests of what the receiver says it has */
	FRAME_OFFER = 13,     /* a PACK without its files' content */
	/* receiver to sender */
	FRAME_READY = 16,   /* answer to HELLO and JOIN */
	FRAME_STATE = 17,   /* answer to OPEN: what is there already */
	FRAME_VERDICT = 18, /* what became of some files */
	FRAME_RESEND = 19,  /* a chunk or pack arrived damaged */
	FRAME_NOTE = 20,    /* a file's late trouble (not its content) */
	FRAME_SUMMARY = 21, /* answer to FINISH: the receiver's last word */
	FRAME_CHECKED = 22, /* answer to CHECK: what differs */
	FRAME_OFFERED = 23, /* answer to OFFER: what is wanted */
	/* both ways */
	FRAME_PING = 30,  /* heart-beat, empty */
	FRAME_ERROR = 31, /* the session ends here, and why */
};

struct frame {
	uint8_t type;
	uint32_t len;
	uint32_t body_check;
};

/*
 * The check of a header, from its first eight bytes without the check: CRC-16
 * with the polynomial 0x1021, from 0xffff on, bits as they are
 * (CRC-16/IBM-3740 in the catalogue of parametrised CRC algorithms, G. Cook).
 * Without it a length that grew on the way would be waited for as long as
 * heart-beats come.
 */
uint16_t frame_check(const uint8_t *header);

/*
 * The check of a body's fields: the CRC-32 of zlib and Ethernet.  Without it an
 * id or a status that changed on the way, where there is no TLS, would be
 * another's.  0 for no bytes.
 */
uint32_t frame_body_check(const uint8_t *p, size_t n);

/* Put the checks of the bodies into n bytes of frames, as frame_put() and what
 * is behind it made them; of the last one the payload is missing. */
void frame_seal(uint8_t *frames, size_t n);

/* The header of a frame with a body of len bytes, to dst (FRAME_HEADER
 * bytes); frame_seal() completes it. */
void frame_put(uint8_t *dst, enum frame_type type, uint32_t len);

/*
 * Decode a header and check it: its check, a known type, no flags, a length
 * that this type allows (minimum and maximum).  from_sender says which side it
 * came from; a type that this side must not send is refused.
 * Returns 0 or ERR_PROTOCOL.
 */
int frame_get(struct frame *f, const uint8_t *src, int from_sender);

/* "CHUNK"; "?" for an unknown type. */
const char *frame_name(unsigned type);

#endif
