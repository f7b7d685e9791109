/*
 * msg.h - encoding and decoding of the bodies of frames.
 *
 * Layer: wire.  Uses base only.  Pure; only a struct buf allocates memory.
 * Specified in ferry-protocol(7); that page and this file change together.
 *
 * Every msg_put_* appends one whole frame, with its header, to b.  CHUNK, PACK
 * and OFFER: without the payload, which follows on the wire.  Every msg_get_*
 * decodes one body: it checks every length and limit, refuses unknown values,
 * reserved fields that are not zero, and bytes left over, and returns 0 or
 * ERR_PROTOCOL.  Pointers in a decoded message are borrowed from the body.
 * On the wire, digests have the size of the session's algorithm; those by which
 * content is known to be there already (OFFER, CHECK), of SHA-256.
 */
#ifndef FERRY_WIRE_MSG_H
#define FERRY_WIRE_MSG_H

#include <stdint.h>

#include "base/buf.h"
#include "base/file_meta.h"
#include "wire/frame.h"

/*
 * The optional parts of the protocol, as bits of features: HELLO has those that
 * the sender knows, READY those of them that the receiver grants; nothing else
 * is used.  Unknown bits are ignored.  The numbers are fixed for ever:
 *
 *	0..6	codecs; bit c - 1 is the codec with id c
 *	7	FEATURE_MORE, see HELLO
 *	8..31	all else; all are taken
 *
 * The next feature that is no codec is bit 0 of the second word, see HELLO.
 *
 * FEATURE_DRY_RUN is in HELLO where the sender's user asks what would be done:
 * where READY grants it, nothing is changed in this session, which has no
 * content: items come in LISTs alone.  FEATURE_PRESERVE is in HELLO where the
 * sender's user asks for --preserve: then READY says what is accepted of it,
 * and all metadata has the form FILE_META_EXTENDED.  FEATURE_ARCHIVE, where
 * metadata of directories that are there already is to be set, too.
 */
#define WIRE_FEATURES(X)                                                       \
	X(FEATURE_ZLIB, 0, "zlib compression")                                 \
	X(FEATURE_ZSTD, 1, "zstd compression")                                 \
	X(FEATURE_SPARSE, 2, "sparse chunks")                                 \
	X(FEATURE_HOLES, 8, "holes")              /* HOLE */                   \
	X(FEATURE_OFFERS, 9, "offers")            /* OFFER, OFFERED */         \
	X(FEATURE_RESUME, 10, "resume")           /* STATE_RESUME, CHECK,      \
						     CHECKED */                \
	X(FEATURE_DEFERRED, 11, "deferred symlinks") /* STATUS_DEFERRED */     \
	X(FEATURE_RIVALS, 12, "rivals")           /* in VERDICT */             \
	X(FEATURE_PRESERVE, 13, "preserving more metadata") /* above */        \
	X(FEATURE_ARCHIVE, 14, "archives")        /* above */                  \
	X(FEATURE_SAME, 18, "comparing by SHA-256") /* what OFFER and CHECK   \
						       need */                 \
	X(FEATURE_NOT_KEPT, 17, "metadata that is not kept") /* in VERDICT and \
								NOTE */        \
	X(FEATURE_BUSY, 19, "busy heart-beats")   /* BUSY */                   \
	X(FEATURE_LIST_META, 20, "lists of more metadata") /* in LIST, with   \
							      PRESERVE */     \
	X(FEATURE_UNSENT, 21, "notes of what was not sent") /* NOTE from the   \
							       sender */       \
	X(FEATURE_DIRECT, 22, "direct streams")  /* DIRECT, STREAMS */       \
	X(FEATURE_RECONNECT, 23, "receivers that reconnect") /* below */       \
	X(FEATURE_TIMEOUT, 24, "time-outs")       /* TIMEOUT */                \
	X(FEATURE_RECIPE, 3, "recipes")           /* CHUNKs made of a basis */ \
	X(FEATURE_DELTA, 25, "delta")             /* COMPARE, SIGNATURE */     \
	X(FEATURE_PIECES, 26, "delta of shifted content") /* PIECES in both */ \
	X(FEATURE_PROGRESS, 27, "progress reports") /* PROGRESS */      \
	X(FEATURE_LISTS, 28, "lists")             /* LIST, LISTED; in READY */ \
	X(FEATURE_UPDATED, 29, "metadata that is set alone") /* in VERDICT */
enum wire_feature {
#define X(name, number, text) name = 1 << (number),
	WIRE_FEATURES(X)
#undef X
};
/* No enumerator, as it is no int. */
#define FEATURE_DRY_RUN (UINT32_C(1) << 31)
enum { FEATURE_CODECS = 7 }; /* bits kept for codecs */
/* Reserved: this release has no second word, so it never sets the bit, and
 * grants it to nobody. */
enum { FEATURE_MORE = 1 << FEATURE_CODECS };

/*
 * Further bits of features, which are requests: HELLO has one only where the
 * sender's user asks for it, and READY grants it only where the receiver's user
 * accepts it.  The texts are the words of receive --accept, and what they mean.
 */
#define WIRE_REQUESTS(X)                                                       \
	X(REQUEST_EXISTING, 16, "existing",                                    \
	  "another --existing") /* existing in HELLO */                        \
	X(REQUEST_LINKS, 15, "links", "symlinks to anywhere")                  \
	X(REQUEST_DELETE, 30, "delete",                                        \
	  "deleting what the sender does not have") /* DELETE, EXTRA */
enum wire_request {
#define X(name, number, word, meaning) name = 1 << (number),
	WIRE_REQUESTS(X)
#undef X
};

/*
 * HELLO: what the sender wants.
 *
 *	u8[8] magic "FERRY\r\n\0" | u16 version | u8 digest id | u8 flags |
 *	u16 streams wanted | u8 existing | u8 reserved | u32 features |
 *	u8[16] session id | with FEATURE_MORE: u32 further features | what later
 *	releases put there
 *
 * A receiver reads past what it does not know after the session id.  Where it
 * grants FEATURE_MORE, READY ends with those of the further features that it
 * grants; where it does not, none of them is used.
 *
 * The session id is random and the sender's secret: a HELLO with the id of a
 * session that still exists ends that session and replaces it.
 *
 * FEATURE_RECONNECT is for a sender that listens, which alone has it in HELLO:
 * a receiver grants it where it connects again after a lost session.  Then the
 * sender waits for it, and sends HELLO_AGAIN.
 */
#define WIRE_MAGIC "FERRY\r\n"

/*
 * The protocol version in the body of a HELLO, JOIN or READY, or -1 where there
 * is none.  It stands in the same place in every version, and so does the text
 * of ERROR; nothing else of a frame is decoded before the version is known to
 * be WIRE_VERSION.
 */
int msg_version(enum frame_type type, const uint8_t *p, size_t n);

enum hello_flags {
	HELLO_SINGLE = 1, /* exactly one file will come */
	/* If the session is lost, the sender will send another HELLO with the
	 * same session id, and then what has no verdict. */
	HELLO_RETRY = 2,
	/* This HELLO follows a lost session of the same id, and the sender
	 * sends what had no verdict in that: so it is for the same receiver
	 * only. */
	HELLO_AGAIN = 4,
};
/* What the receiver is to do where a name is taken. */
enum wire_existing {
	EXISTING_UNSAID, /* as its own user says */
	EXISTING_FAIL,
	EXISTING_SKIP,
	EXISTING_REPLACE,
	EXISTING_NEWER,
	EXISTING_RENAME,
	EXISTING_BACKUP,
};
struct msg_hello {
	uint16_t version;
	uint8_t digest;
	uint8_t flags;
	uint16_t streams;
	uint8_t existing;  /* enum wire_existing, with REQUEST_EXISTING */
	uint32_t features; /* what the sender knows: enum wire_feature, and
			      what it asks for: enum wire_request */
	uint8_t session[WIRE_TOKEN_LEN];
};
void msg_put_hello(struct buf *b, const struct msg_hello *m);
int msg_get_hello(struct msg_hello *m, const uint8_t *p, size_t n);

/* JOIN: u8[8] magic | u16 version | u16 stream index (1..STREAMS_MAX-1) |
 * u8[16] token from READY */
struct msg_join {
	uint16_t version;
	uint16_t index;
	uint8_t token[WIRE_TOKEN_LEN];
};
void msg_put_join(struct buf *b, const struct msg_join *m);
int msg_get_join(struct msg_join *m, const uint8_t *p, size_t n);

/*
 * READY: u16 version | u16 streams allowed (1..STREAMS_MAX, including the
 * first) | u32 features | u32 files that may be open (OPEN without a verdict)
 * at the same time (at least 1) | u8[16] token for JOIN | with FEATURE_LISTS:
 * u8 flags | with FEATURE_PRESERVE: u32 what is accepted (enum
 * file_meta_preserve as bits; unknown ones are ignored)
 */
enum ready_flags {
	READY_EMPTY = 1, /* nothing is in the receiver's directory: so asking what
			    is there is of no use */
};
struct msg_ready {
	uint16_t version;
	uint16_t streams;
	uint32_t features; /* what is granted of these */
	uint32_t open_files;
	uint8_t token[WIRE_TOKEN_LEN];
	uint32_t preserve; /* with FEATURE_PRESERVE; else 0 */
	uint8_t flags; /* with FEATURE_LISTS; else 0 */
};
void msg_put_ready(struct buf *b, const struct msg_ready *m);
int msg_get_ready(struct msg_ready *m, const uint8_t *p, size_t n);

/*
 * OPEN: u64 id | u64 size (2^64-1: unknown, a stream) | u64 allocated bytes
 * (what the source occupies: less than size where it has holes) | metadata |
 * u16 name length | name | digest of the body up to here
 *
 * The caller computes the digest, over the bytes before it: name and metadata
 * are then protected by the algorithm that the user chose, and not only by the
 * frame's body check.  With FEATURE_PRESERVE the metadata has the form
 * FILE_META_EXTENDED, here and in packs, else FILE_META_BASIC.
 */
enum {
	/* without the name and further metadata */
	MSG_OPEN_FIXED = 42,
	MSG_OPEN_FURTHER_MAX = FILE_META_MAX - FILE_META_BASIC_SIZE,
};
#define WIRE_SIZE_UNKNOWN UINT64_MAX
#define WIRE_SIZE_MAX ((uint64_t)1 << 53)
struct msg_open {
	uint64_t id;
	uint64_t size;
	uint64_t allocated;
	struct file_meta meta;
	const char *name; /* not terminated */
	size_t name_len;
	uint8_t digest[WIRE_DIGEST_MAX];
};
void msg_put_open(struct buf *b, const struct msg_open *m, size_t digest_size,
		  enum file_meta_form form);
int msg_get_open(struct msg_open *m, size_t digest_size,
		 enum file_meta_form form, const uint8_t *p, size_t n);

/*
 * CHUNK: u64 id | u64 offset (a multiple of CHUNK_MAX) | u32 raw length
 * (0..CHUNK_MAX) | u8 codec | u8[3] reserved | digest of the raw bytes |
 * payload
 */
enum { MSG_CHUNK_FIXED = 24 };
struct msg_chunk {
	uint64_t id;
	uint64_t offset;
	uint32_t raw_len;
	uint8_t codec;
	uint8_t digest[WIRE_DIGEST_MAX];
};
/* Appends the header and the fields; the caller sends payload_len bytes after
 * them. */
void msg_put_chunk(struct buf *b, const struct msg_chunk *m,
		   size_t digest_size, uint32_t payload_len);
/* p holds the fields only: MSG_CHUNK_FIXED + digest_size bytes.  Checks that
 * payload_len is at most raw_len, equal for codec 0, and not 0 unless raw_len
 * is. */
int msg_get_chunk(struct msg_chunk *m, size_t digest_size, const uint8_t *p,
		  size_t n, size_t payload_len);

/* HOLE: u64 id | u64 offset (a multiple of CHUNK_MAX) | u64 length (not 0;
 * a multiple of CHUNK_MAX unless it reaches the end of the file) */
struct msg_hole {
	uint64_t id;
	uint64_t offset;
	uint64_t len;
};
void msg_put_hole(struct buf *b, const struct msg_hole *m);
int msg_get_hole(struct msg_hole *m, const uint8_t *p, size_t n);

/* FILE_END: u64 id | u64 size | file digest */
struct msg_file_end {
	uint64_t id;
	uint64_t size;
	uint8_t digest[WIRE_DIGEST_MAX];
};
void msg_put_file_end(struct buf *b, const struct msg_file_end *m,
		      size_t digest_size);
int msg_get_file_end(struct msg_file_end *m, size_t digest_size,
		     const uint8_t *p, size_t n);

/* FILE_ABORT: u64 id | u16 cause (enum wire_cause) */
struct msg_file_abort {
	uint64_t id;
	uint16_t cause;
};
void msg_put_file_abort(struct buf *b, const struct msg_file_abort *m);
int msg_get_file_abort(struct msg_file_abort *m, const uint8_t *p, size_t n);

/*
 * PACK: u64 id of the first item | u32 items (1..PACK_ITEMS_MAX) | u32 raw
 * length (1..CHUNK_MAX) | u32 table length (within raw) | u8 codec | u8[3]
 * reserved | digest of the table | payload
 *
 * The payload expands to raw length bytes: the table, then the content of the
 * pack's files, in the table's order.  The items have consecutive ids from the
 * first on.  Each row of the table:
 *
 *	u8 kind | metadata | u16 name length | name | then by kind:
 *	FILE	u32 size | file digest
 *	DIR	nothing
 *	SYMLINK	u16 target length | target
 *	LINK	u16 length | name of a file that was committed or unchanged
 *		before; only where PRESERVE_HARDLINKS was accepted
 *	SPECIAL	u8 type | u32 major | u32 minor, which are 0 unless it is a
 *		device; only where PRESERVE_SPECIALS was accepted
 */
enum { MSG_PACK_FIXED = 24, PACK_ITEMS_MAX = 1024 };
struct msg_pack {
	uint64_t first_id;
	uint32_t count;
	uint32_t raw_len;
	uint32_t table_len;
	uint8_t codec;
	uint8_t digest[WIRE_DIGEST_MAX];
};
void msg_put_pack(struct buf *b, const struct msg_pack *m, size_t digest_size,
		  uint32_t payload_len);
int msg_get_pack(struct msg_pack *m, size_t digest_size, const uint8_t *p,
		 size_t n, size_t payload_len);

/*
 * OFFER: as PACK, but the payload is the table alone (raw length is table
 * length), and the digests of files in it are SHA-256.  The content of the
 * files that are wanted follows in a PACK, with new ids.
 *
 * OFFERED, the answer: u64 id of the first item | u32 items | u32 reserved |
 * u8[(items + 7) / 8] bits.  Where bit i % 8 of byte i / 8 is set, item i,
 * which is a file, is wanted and gets no verdict; all others get one.
 */
void msg_put_offer(struct buf *b, const struct msg_pack *m, size_t digest_size,
		   uint32_t payload_len);
struct msg_offered {
	uint64_t first_id;
	uint32_t count;
	uint8_t wanted[PACK_ITEMS_MAX / 8];
};
void msg_put_offered(struct buf *b, const struct msg_offered *m);
int msg_get_offered(struct msg_offered *m, const uint8_t *p, size_t n);

enum item_kind {
	ITEM_FILE = 1,
	ITEM_DIR = 2,
	ITEM_SYMLINK = 3,
	ITEM_LINK = 4, /* a hard link */
	ITEM_SPECIAL = 5,
};
enum special_type {
	SPECIAL_FIFO = 1,
	SPECIAL_SOCKET = 2,
	SPECIAL_CHAR = 3,
	SPECIAL_BLOCK = 4,
};
struct pack_item {
	uint8_t kind;
	struct file_meta meta;
	const char *name; /* not terminated */
	size_t name_len;
	uint64_t size;         /* FILE; in a PACK or OFFER at most CHUNK_MAX */
	uint8_t digest[WIRE_DIGEST_MAX]; /* FILE */
	const char *target;        /* SYMLINK, LINK; not terminated */
	size_t target_len;
	uint8_t special; /* SPECIAL: enum special_type */
	uint32_t major, minor;
};
/* How rows are encoded: the same for all of a pack. */
struct pack_form {
	size_t digest_size;
	enum file_meta_form meta;
};
/* Append one row (no frame header). */
void pack_put_item(struct buf *b, const struct pack_item *it,
		   const struct pack_form *form);
/* Decode the next row.  Call it count times, then check rd_at_end(). */
int pack_get_item(struct pack_item *it, struct rd *r,
		  const struct pack_form *form);
/* Whether the type and the numbers of a SPECIAL are those of one. */
int pack_is_special(const struct pack_item *it);

/* STREAM_END: empty. */
void msg_put_stream_end(struct buf *b);

/* FLUSH: empty. */
void msg_put_flush(struct buf *b);

/*
 * FINISH and SUMMARY.  The sum is that of XXH3-128(id || size || file digest)
 * over all committed and unchanged files, modulo 2^128, so it does not depend
 * on their order.
 *
 * FINISH: u64 files (regular ones, with a verdict of committed or unchanged) |
 * u64 bytes of them | u8[16] sum
 */
struct msg_finish {
	uint64_t files;
	uint64_t bytes;
	uint8_t sum[WIRE_SUM_LEN];
};
void msg_put_finish(struct buf *b, const struct msg_finish *m);
int msg_get_finish(struct msg_finish *m, const uint8_t *p, size_t n);

/*
 * SUMMARY: u64 files | u64 bytes | u8[16] sum (as FINISH, as the receiver
 * counted) | u64 notes (NOTE frames sent)
 */
struct msg_summary {
	uint64_t files;
	uint64_t bytes;
	uint8_t sum[WIRE_SUM_LEN];
	uint64_t notes;
};
void msg_put_summary(struct buf *b, const struct msg_summary *m);
int msg_get_summary(struct msg_summary *m, const uint8_t *p, size_t n);

/* Why something failed, as the peer is told.  The numbers never change. */
#define WIRE_CAUSES(X)                                                         \
	X(CAUSE_NONE, 0, "no error")                                           \
	X(CAUSE_EXISTS, 1, "a different file of that name exists")             \
	X(CAUSE_NO_SPACE, 2, "no space left on the disk")                      \
	X(CAUSE_QUOTA, 3, "disk quota exceeded")                               \
	X(CAUSE_PERMISSION, 4, "permission denied")                            \
	X(CAUSE_READ_ONLY, 5, "read-only file system")                         \
	X(CAUSE_NAME, 6, "the file system cannot store this name")             \
	X(CAUSE_NAME_TOO_LONG, 7, "name too long for the file system")         \
	X(CAUSE_NOT_DIR, 8, "a part of the path is not a directory")           \
	X(CAUSE_IS_DIR, 9, "a directory of that name exists")                  \
	X(CAUSE_IO, 10, "input/output error")                                  \
	X(CAUSE_TOO_LARGE, 11, "file too large")                               \
	X(CAUSE_LIMIT, 12, "over a limit of the receiver")                     \
	X(CAUSE_MISMATCH, 13, "checksum mismatch")                             \
	X(CAUSE_CHANGED, 14, "changed while it was sent")                      \
	X(CAUSE_VANISHED, 15, "it was removed meanwhile")                      \
	X(CAUSE_BUSY, 16, "in use by another transfer")                        \
	X(CAUSE_UNSUPPORTED, 17, "not supported by the file system")           \
	X(CAUSE_RESOURCE, 18, "out of memory or descriptors")                  \
	X(CAUSE_CANCELLED, 19, "cancelled")                                    \
	X(CAUSE_OTHER, 20, "an error of another kind")                         \
	X(CAUSE_INODES, 21, "no room for more files on the file system")       \
	X(CAUSE_INVALID, 22, "refused by the file system (invalid argument)")  \
	X(CAUSE_GONE, 23, "its directory is gone at the receiver")             \
	X(CAUSE_PROTECTED, 24,                                                 \
	  "it or its directory is immutable or "                               \
	  "append-only")                                                       \
	X(CAUSE_RIVAL, 25,                                                     \
	  "the file system takes its name for that of "                        \
	  "another file in this session")                                      \
	X(CAUSE_OTHER_BASIS, 26,                                               \
	  "the file there was changed while this one "                         \
	  "was sent")                                                          \
	X(CAUSE_SOURCE, 28, "it cannot be sent, for a reason that is told there") \
	X(CAUSE_NO_ENTRIES, 29,                                                \
	  "nothing can be created in its directory")
enum wire_cause {
#define X(name, id, text) name = id,
	WIRE_CAUSES(X)
#undef X
};
/* The text of a cause, fixed; "unknown error" for an unknown one. */
const char *wire_cause_text(unsigned cause);
/* The cause for what the sender met with a source: the texts of other causes
 * are about files on the receiver. */
enum wire_cause wire_cause_of_source(int err);
/* The cause for an errno; CAUSE_OTHER where there is none. */
enum wire_cause wire_cause_of_errno(int err);
/* Whether a VERDICT with this cause says how many bytes were needed and
 * there. */
int wire_cause_has_room(unsigned cause);

/* A run of chunks: the number of the first (offset / CHUNK_MAX), and how
 * many. */
struct msg_run {
	uint64_t first;
	uint64_t count;
};

/*
 * STATE, the answer to each OPEN: u64 id | u8 state | u8 digest id | u8[2]
 * reserved | u32 runs | runs times (u64 first chunk | u64 chunks)
 *
 * SEND: send all of the file.  REFUSED: send nothing (more) of it; a VERDICT
 * says why.  RESUME: the receiver has the chunks of these runs (at least one,
 * in ascending order, with a gap between any two): send the others, and CHECK
 * these by that digest, which is 0 in other states.
 */
enum { STATE_RUNS_MAX = 512 };
enum file_state { STATE_SEND = 1, STATE_REFUSED = 2, STATE_RESUME = 3 };
struct msg_state {
	uint64_t id;
	uint8_t state;
	uint8_t digest;
	uint32_t run_count;
	struct msg_run runs[STATE_RUNS_MAX];
};
void msg_put_state(struct buf *b, const struct msg_state *m);
int msg_get_state(struct msg_state *m, const uint8_t *p, size_t n);

/*
 * CHECK: u64 id | u64 offset (a multiple of CHUNK_MAX) | u32 chunks
 * (1..CHECK_LEAVES_MAX) | u8 kind | u8[3] reserved | digests
 *
 * The sender's digests of chunks that STATE said the receiver has: with LEAVES
 * one of each chunk; with RANGE one of them all, which are a whole range of the
 * file's digest tree (see ferry-protocol(7), DIGESTS).  They are of the
 * algorithm that STATE named.
 */
enum { CHECK_LEAVES_MAX = 64 };
enum check_kind { CHECK_LEAVES = 1, CHECK_RANGE = 2 };
struct msg_check {
	uint64_t id;
	uint64_t offset;
	uint32_t count;
	uint8_t kind;
	const uint8_t *digests; /* borrowed */
};
void msg_put_check(struct buf *b, const struct msg_check *m,
		   size_t digest_size);
int msg_get_check(struct msg_check *m, size_t digest_size, const uint8_t *p,
		  size_t n);

/*
 * CHECKED, the answer to CHECK: u64 id | u64 offset | u32 chunks | u32
 * reserved | u64 bits: bit i is set where the i-th of these chunks differs and
 * has to be sent.
 */
struct msg_checked {
	uint64_t id;
	uint64_t offset;
	uint32_t count;
	uint64_t differing;
};
void msg_put_checked(struct buf *b, const struct msg_checked *m);
int msg_get_checked(struct msg_checked *m, const uint8_t *p, size_t n);

/*
 * COMPARE: u64 id | u64 offset (a multiple of CHUNK_MAX) | u32 count | u8 kind
 * | u8 bits | u16 stride | by kind:
 *
 *	LEAVES	count (1..COMPARE_LEAVES_MAX) leaves of the file: of each u8[32]
 *		SHA-256 | u64 digest of the digests of its blocks (bits and
 *		stride are 0)
 *	PIECES	nothing: cut count (not 0) leaves of the basis into pieces of
 *		2^bits bytes on average; with a stride that is not 0, only the
 *		first COMPARE_SAMPLE bytes of every stride-th leaf, each alone
 */
enum {
	COMPARE_LEAVES_MAX = 64,
	COMPARE_SHA = 32,
	COMPARE_SAMPLE = CHUNK_MAX / 8,
	COMPARE_LEAF = COMPARE_SHA + 8,
};
enum compare_kind { COMPARE_LEAVES = 1, COMPARE_PIECES = 2 };
struct msg_compare {
	uint64_t id;
	uint64_t offset;
	uint32_t count;
	uint8_t kind;
	uint8_t bits;          /* PIECES */
	uint16_t stride;       /* PIECES */
	const uint8_t *leaves; /* LEAVES: COMPARE_LEAF bytes each; borrowed */
};
void msg_put_compare(struct buf *b, const struct msg_compare *m);
int msg_get_compare(struct msg_compare *m, const uint8_t *p, size_t n);

/*
 * SIGNATURE: u64 id | u64 offset | u32 count | u8 kind | u8[3] reserved | by
 * kind:
 *
 *	BASIS	before STATE: there is a basis of this size (offset; not 0)
 *	SAME	count (1..COMPARE_LEAVES_MAX) leaves of the file from offset on
 *		are the same in the basis, and were taken from it
 *	BLOCKS	the leaf at offset differs: u64 digests of the blocks that the
 *		basis has there, count (0..SIGNATURE_BLOCKS_MAX)
 *	PIECES	count (1..SIGNATURE_PIECES_MAX) pieces of the basis, which
 *		adjoin and begin at offset: of each u16 length less one | u64
 *		digest
 *	END	all pieces that were asked for with this offset were named
 */
enum {
	SIGNATURE_BLOCKS_MAX = 256,
	SIGNATURE_BLOCK = 8,
	SIGNATURE_PIECES_MAX = 1600,
	SIGNATURE_PIECE = 10,
};
enum signature_kind {
	SIGNATURE_BASIS = 1,
	SIGNATURE_SAME = 2,
	SIGNATURE_BLOCKS = 3,
	SIGNATURE_PIECES = 4,
	SIGNATURE_END = 5,
};
struct msg_signature {
	uint64_t id;
	uint64_t offset;
	uint32_t count;
	uint8_t kind;
	const uint8_t *list; /* BLOCKS, PIECES; borrowed */
};
void msg_put_signature(struct buf *b, const struct msg_signature *m);
int msg_get_signature(struct msg_signature *m, const uint8_t *p, size_t n);

/*
 * DELETE, with REQUEST_DELETE and on the first stream: u8 kind | u8 reserved |
 * u16 count | by kind:
 *
 *	BEGIN	nothing (count is 0): all items have their verdict, or are
 *		symlinks that wait to be made; nothing may be deleted before
 *	DIRS	count (1..DELETE_DIRS_MAX) directories, what the sender has in
 *		them: of each u64 names | u64 sum of their hashes (names.h) |
 *		u16 path length | path (empty: the receiver's directory).  Both
 *		numbers are 2^64-1 where that is not known.
 *	CHOICE	count (that of the oldest LIST without one) bits, in (count + 7)
 *		/ 8 bytes: which of these are to be deleted
 *
 * With FEATURE_DRY_RUN nothing is deleted, and RESULT says that it was.
 */
enum {
	DELETE_DIRS_MAX = 1024,
	DELETE_BYTES_MAX = 64 * 1024, /* after count */
	DELETE_DIR_FIXED = 18,
	DELETE_AHEAD = 4, /* DIRS without DONE */
};
enum delete_kind { DELETE_BEGIN = 1, DELETE_DIRS = 2, DELETE_CHOICE = 3 };
struct msg_delete {
	uint8_t kind;
	uint16_t count;
	/* DIRS: for msg_delete_get_dir(); CHOICE: the bits; borrowed */
	const uint8_t *list;
	size_t list_len;
};
void msg_put_delete(struct buf *b, const struct msg_delete *m);
/* The directories of DIRS and the bits after the last of CHOICE are checked. */
int msg_get_delete(struct msg_delete *m, const uint8_t *p, size_t n);

/* A directory of DIRS.  Append one to the list; decode the next one of a list.
 * The path is not checked as a name. */
struct delete_dir {
	uint64_t names, sum;
	const char *path; /* not terminated */
	size_t path_len;
};
void msg_delete_put_dir(struct buf *b, const struct delete_dir *d);
int msg_delete_get_dir(struct delete_dir *d, struct rd *r);

/*
 * EXTRA, the answer: u8 kind | u8 flags | u16 count | u32 dir | by kind:
 *
 *	READY	nothing: to BEGIN, after the symlinks were made and all verdicts
 *		were sent
 *	LIST	count (1..EXTRA_ROWS_MAX) things in directory dir (counted from
 *		0 over all DIRS) whose names differ from the sender's: of each
 *		u8 kind (FILE: anything but a directory; DIR) | u16 name length
 *		| name.  With EXTRA_BELOW the names are paths of what is in, and
 *		last of, a directory that was chosen.  EXTRA_FOLDS: names that
 *		differ in upper and lower case are one name there.
 *	RESULT	to CHOICE: of each that was chosen, and is not a directory that
 *		LISTs with EXTRA_BELOW follow for, a u16 cause, 0 where it was
 *		deleted
 *	DONE	count is 0: the oldest DIRS is over
 *	UNREAD	count is 1: directory dir cannot be listed: u16 cause
 */
enum {
	EXTRA_ROWS_MAX = 4096,
	EXTRA_BYTES_MAX = 16 * 1000, /* after dir */
	EXTRA_ROW_FIXED = 3,
	EXTRA_AHEAD = 64, /* LISTs without CHOICE */
};
enum extra_kind {
	EXTRA_READY = 1,
	EXTRA_LIST = 2,
	EXTRA_RESULT = 3,
	EXTRA_DONE = 4,
	EXTRA_UNREAD = 5,
};
enum extra_flags { EXTRA_BELOW = 1, EXTRA_FOLDS = 2 };
struct msg_extra {
	uint8_t kind;
	uint8_t flags;
	uint16_t count;
	uint32_t dir;
	const uint8_t *list; /* borrowed */
	size_t list_len;
};
void msg_put_extra(struct buf *b, const struct msg_extra *m);
/* The rows of LIST and the causes are checked. */
int msg_get_extra(struct msg_extra *m, const uint8_t *p, size_t n);

/* A row of LIST: append one, decode the next one.  The name is not checked. */
struct extra_row {
	uint8_t kind; /* enum item_kind */
	const char *name; /* not terminated */
	size_t name_len;
};
void msg_extra_put_row(struct buf *b, const struct extra_row *row);
int msg_extra_get_row(struct extra_row *row, struct rd *r);

/*
 * VERDICT: u64 first id | u32 items (not 0) | u8 status | u8 not kept (enum
 * file_meta_kind as bits, with COMMITTED or UPDATED, and FEATURE_NOT_KEPT; else
 * 0) | u16 cause | u64 bytes needed | u64 bytes available (both 0 unless the
 * cause is NO_SPACE, TOO_LARGE, QUOTA or LIMIT) | with FEATURE_RIVALS, and
 * cause RIVAL: u16 length | path of the item that has the place
 */
enum file_status {
	STATUS_COMMITTED = 1, /* durable as --sync says, under its name */
	STATUS_UNCHANGED = 2, /* the same content was there already */
	STATUS_SKIPPED = 3,   /* left out, as --existing says */
	STATUS_FAILED = 4,
	/* The same content was there already, and its metadata was set; with
	 * FEATURE_UPDATED, otherwise UNCHANGED. */
	STATUS_UPDATED = 6,
};
/* Not a verdict: a symlink arrived, and is made later, when nothing is written
 * any more that could follow it. */
enum { STATUS_DEFERRED = 5 };
struct msg_verdict {
	uint64_t first_id;
	uint32_t count;
	uint8_t status;
	uint16_t cause;
	uint64_t need;
	uint64_t have;
	uint8_t not_kept;
	const char *rival; /* not terminated */
	size_t rival_len;  /* 0: none */
};
void msg_put_verdict(struct buf *b, const struct msg_verdict *m);
int msg_get_verdict(struct msg_verdict *m, const uint8_t *p, size_t n);

/* RESEND: u64 id | u64 offset: send that chunk of a file again; with the first
 * id of a pack and offset 0, that pack. */
struct msg_resend {
	uint64_t id;
	uint64_t offset;
};
void msg_put_resend(struct buf *b, const struct msg_resend *m);
int msg_get_resend(struct msg_resend *m, const uint8_t *p, size_t n);

/* NOTE: u16 cause | u8 kind (enum item_kind) | u8 not kept (as in VERDICT) |
 * u16 name length | name: metadata of that item could not be set.  From the
 * sender, with FEATURE_UNSENT: that item, of the kind FILE, could not be
 * sent; MSG_NOTE_NAMELESS is the name of one that has none that could be. */
#define MSG_NOTE_NAMELESS "."
struct msg_note {
	uint16_t cause;
	uint8_t kind;
	const char *name;
	size_t name_len;
	uint8_t not_kept;
};
void msg_put_note(struct buf *b, const struct msg_note *m);
int msg_get_note(struct msg_note *m, const uint8_t *p, size_t n);
int msg_note_is_nameless(const struct msg_note *m);

/* TIMEOUT: u32 milliseconds (not 0): whoever sends it gives up after so long
 * without a byte from the other side, which sends its heart-beats
 * accordingly. */
struct msg_timeout {
	uint32_t ms;
};
void msg_put_timeout(struct buf *b, const struct msg_timeout *m);
int msg_get_timeout(struct msg_timeout *m, const uint8_t *p, size_t n);

/*
 * PROGRESS: u64 bytes | u64 total bytes | u64 total files | u64 replaced | u64
 * renamed | u8 flags | u8[3] reserved: for what the other side tells its user,
 * and for nothing else.
 *
 *	receiver	bytes of content that have arrived in this session, also
 *			of chunks and packs that are not whole yet; how many
 *			files (not directories) replaced another, or were
 *			committed under another name; all else is 0
 *	sender		bytes of content that need not be sent: holes, and what
 *			the receiver has already; the content and the files and
 *			symlinks that the scan has found so far; all else is 0
 *
 * Bytes of a recipe are those of its literals.
 */
enum progress_flags {
	PROGRESS_FINAL = 1, /* the scan has ended: the totals are final */
	PROGRESS_ENDLESS = 2, /* the end of standard input was not read yet */
};
struct msg_progress {
	uint64_t bytes, total_bytes, total_files;
	uint64_t replaced, renamed;
	uint8_t flags;
};
void msg_put_progress(struct buf *b, const struct msg_progress *m);
int msg_get_progress(struct msg_progress *m, const uint8_t *p, size_t n);

/*
 * DIRECT, by ssh: u16 port | u8 count | u8 reserved | u8[32] key | count times
 * u8[16] address.  The side that ssh has started listens at this port for
 * further streams, which authenticate by the key.  The addresses are its own,
 * IPv4 ones as IPv4-mapped IPv6, the one that ssh has reached first.  Port 0,
 * and no address: it cannot listen.  At most once in a session.
 */
enum {
	DIRECT_KEY = 32,
	DIRECT_ADDRESS = 16,
	DIRECT_ADDRESSES_MAX = 8,
};
struct msg_direct {
	uint16_t port;
	uint8_t count;
	uint8_t key[DIRECT_KEY];
	uint8_t addresses[DIRECT_ADDRESSES_MAX][DIRECT_ADDRESS];
};
void msg_put_direct(struct buf *b, const struct msg_direct *m);
int msg_get_direct(struct msg_direct *m, const uint8_t *p, size_t n);

/* STREAMS, by ssh: u16 count (1..STREAMS_MAX - 1) | u16 reserved: so many
 * direct streams there are to be in all.  A receiver that listens answers the
 * first one with DIRECT. */
struct msg_streams {
	uint16_t count;
};
void msg_put_streams(struct buf *b, const struct msg_streams *m);
int msg_get_streams(struct msg_streams *m, const uint8_t *p, size_t n);

/* PING: empty. */
void msg_put_ping(struct buf *b);

/* ERROR: u16 code (enum wire_error) | u16 text length | text (UTF-8, for the
 * user; fixed texts only) */
enum wire_error {
	WERR_VERSION = 1,    /* no common version */
	WERR_PROTOCOL = 2,   /* the peer broke the protocol */
	WERR_BUSY = 3,       /* too many sessions */
	WERR_TOKEN = 4,      /* JOIN with a token of no session */
	WERR_INTERRUPTED = 5,
	WERR_RESOURCE = 6,
	WERR_LOCAL = 7,      /* a failure on the reporting side's host, or what
				was asked for is not wanted there */
	WERR_REFUSED = 8,    /* this sender is not accepted, or not any more */
	WERR_TIMEOUT = 9,
	WERR_OTHER = 10,
};
struct msg_error {
	uint16_t code;
	const char *text; /* not terminated, not trusted */
	size_t text_len;
};
void msg_put_error(struct buf *b, const struct msg_error *m);
int msg_get_error(struct msg_error *m, const uint8_t *p, size_t n);

#endif
