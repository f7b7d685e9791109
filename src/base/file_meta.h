/*
 * file_meta.h - the metadata of a file, directory or symlink, and its encoding
 * in OPEN, PACK and records that the receiver keeps.
 *
 * Layer: base, as both wire and fs use it, which do not include each other.
 * Threads: none of its own; one owner at a time.
 *
 * Specified in ferry-protocol(7), METADATA; that page and this file change
 * together.
 */
#ifndef FERRY_BASE_FILE_META_H
#define FERRY_BASE_FILE_META_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"

/*
 * What a sender can ask to be kept beside mode and time (send --preserve): the
 * bits of a mask on the wire, whose numbers are fixed for ever; the word of the
 * option; the kind whose word in receive --accept accepts this one (0: it needs
 * no accepting); whether it is part of --archive; and what it is.
 */
#define FILE_META_ACCEPTED(X) /* by words of their own */                      \
	X(PRESERVE_OWNER, 0, "owner", PRESERVE_OWNER, 1, "owners of files")    \
	X(PRESERVE_SETID, 1, "setid", PRESERVE_SETID, 1, "set-ID bits")        \
	X(PRESERVE_ACL, 2, "acl", PRESERVE_ACL, 1, "access control lists")     \
	/* user.* */                                                           \
	X(PRESERVE_XATTR, 3, "xattr", PRESERVE_XATTR, 1,                       \
	  "extended attributes")                                               \
	X(PRESERVE_SPECIALS, 7, "specials", PRESERVE_SPECIALS, 1,              \
	  "FIFOs, sockets and devices")
#define FILE_META_PRESERVE(X)                                                  \
	FILE_META_ACCEPTED(X)                                                  \
	/* security.capability: like setid it gives a program rights of its    \
	 * own */                                                              \
	X(PRESERVE_CAPABILITY, 4, "capability", PRESERVE_SETID, 0,             \
	  "capabilities of programs")                                          \
	/* trusted.*: only as root */                                          \
	X(PRESERVE_TRUSTED, 5, "trusted", PRESERVE_XATTR, 0,                   \
	  "attributes that only root sees")                                    \
	X(PRESERVE_HARDLINKS, 6, "hardlinks", 0, 1, "names of one file")
enum file_meta_preserve {
#define X(name, number, word, with, archive, meaning) name = 1 << (number),
	FILE_META_PRESERVE(X)
#undef X
};
enum {
	PRESERVE_XATTRS = PRESERVE_XATTR | PRESERVE_CAPABILITY |
			  PRESERVE_TRUSTED,
	/* for which a file's attributes are read and set */
	PRESERVE_ATTRS = PRESERVE_ACL | PRESERVE_XATTRS,
	/* what has the names of users and groups */
	PRESERVE_NAMED = PRESERVE_OWNER | PRESERVE_SETID | PRESERVE_ACL,
#define X(name, number, word, with, archive, meaning) | name
	PRESERVE_KNOWN = 0 FILE_META_PRESERVE(X),
#undef X
#define X(name, number, word, with, archive, meaning) | (archive) << (number)
	PRESERVE_ARCHIVE = 0 FILE_META_PRESERVE(X),
#undef X
};

/* Tags of further fields. */
enum file_meta_tag {
	FILE_META_TAG_OWNER = 1,
	FILE_META_TAG_SETID = 2,
	FILE_META_TAG_ACL = 3,
	FILE_META_TAG_DEFAULT_ACL = 4,
	FILE_META_TAG_XATTR = 5,
	FILE_META_TAG_LINKED = 6,
};

struct file_meta {
	uint32_t mode; /* 07777 at most */
	int64_t mtime_s;
	uint32_t mtime_ns; /* below 10^9 */
	/* The further fields, encoded and well-formed, in fields_len bytes:
	 * borrowed from the buffer that was decoded, or that the sender made
	 * them in.  Bit t of further is set where the field with tag t is among
	 * them; a tag that is not in enum file_meta_tag is unknown here, and by
	 * its bit the caller can tell that something is not preserved. */
	uint32_t further;
	uint16_t fields_len;
	const uint8_t *fields;
};

/*
 * What is set of it, as bits: where it could not be, these say what is lost.
 * They are a byte on the wire, in VERDICT and NOTE: bit 7, the last one, is for
 * all kinds to come together.  Then its name in events, and in a sentence; and
 * where a sender can have to leave it out, why (else NULL).
 */
#define FILE_META_KIND(X)                                                      \
	X(FILE_META_MODE, 0, "mode", "mode", NULL)                             \
	X(FILE_META_TIME, 1, "time", "modification time", NULL)                \
	X(FILE_META_OWNER, 2, "owner", "owner and group", NULL)                \
	X(FILE_META_SETID, 3, "setid", "set-ID bits", NULL)                    \
	X(FILE_META_ACL, 4, "acl", "ACL", "its ACL is larger than 64 KiB")     \
	X(FILE_META_XATTR, 5, "xattr", "extended attributes",                  \
	  "it has extended attributes of more than 64 KiB, or more than 512")  \
	X(FILE_META_LINK, 6, "hardlinks", "hard links",                        \
	  "there are too many hard links, and it was sent as a file of its own")
enum file_meta_kind {
#define X(name, number, word, text, cut) name = 1 << (number),
	FILE_META_KIND(X)
#undef X
};
enum {
#define X(name, number, word, text, cut) +1
	FILE_META_KINDS = 0 FILE_META_KIND(X),
#undef X
#define X(name, number, word, text, cut) | name
	FILE_META_ALL_KINDS = 0 FILE_META_KIND(X),
#undef X
	/* those of BASIC */
	FILE_META_BASIC_KINDS = FILE_META_MODE | FILE_META_TIME,
};
_Static_assert(FILE_META_ALL_KINDS <= UINT8_MAX, "the kinds are one byte");

/*
 * BASIC: u32 mode | i64 seconds | u32 nanoseconds.
 *
 * EXTENDED, where both peers have granted it, and for records of one process:
 * BASIC, then u16 number of bytes that follow, then the further fields in
 * ascending order of their tags, no tag twice, each
 *
 *	u8 tag (0..31) | u16 length | value
 */
enum file_meta_form { FILE_META_BASIC, FILE_META_EXTENDED };

enum {
	FILE_META_BASIC_SIZE = 16,
	FILE_META_TAGS = 32,
	FILE_META_FIELD = 3, /* bytes of a field before its value */
	FILE_META_FIELDS_MAX = UINT16_MAX,
	/* bytes of the longest EXTENDED form */
	FILE_META_MAX = FILE_META_BASIC_SIZE + 2 + FILE_META_FIELDS_MAX,
	FILE_META_NAME_MAX = 255, /* of a user, a group, an attribute */
	FILE_META_NO_ID = -1,     /* (uint32_t)-1 is no user or group */
};

/* The metadata in a struct stat; no further fields. */
struct file_meta file_meta_of_stat(const struct stat *st);

/* Append m in this form; only EXTENDED has the further fields. */
void file_meta_put(struct buf *b, const struct file_meta *m,
		   enum file_meta_form form);

/*
 * Decode.  Returns whether mode and nanoseconds are in range and the further
 * fields are well-formed: also the values of known tags; fields with an unknown
 * tag are skipped.  Whether there were enough bytes is in r->failed, which the
 * caller checks; for a record that this process has written itself, that is all
 * there is to check.
 */
int file_meta_get(struct rd *r, struct file_meta *m, enum file_meta_form form);

/* Decode the further fields alone, of len bytes.  Returns as
 * file_meta_get(). */
int file_meta_get_fields(struct rd *r, size_t len, struct file_meta *m);

/* Whether the field is there; then value reads its value, of m's memory. */
int file_meta_field(const struct file_meta *m, enum file_meta_tag tag,
		    struct rd *value);

/* Append a field, without its value: of len bytes, which the caller appends. */
void file_meta_put_field(struct buf *b, enum file_meta_tag tag, size_t len);

/*
 * OWNER: u8 flags | u32 user id | u32 group id | u8 length | name of the user |
 * u8 length | name of the group.  A name has no NUL, and is empty where the
 * sender does not know it or shall not say it.  Without OWNER_SET it only tells
 * whose set-ID bits these are.
 *
 * SETID: empty; the bits above 0777 of the mode are to be set.
 *
 * LINKED: empty; hard links to the file may follow.
 */
enum { FILE_META_OWNER_SET = 1 };
struct file_meta_id {
	uint32_t id;
	const char *name; /* not terminated; borrowed */
	uint8_t name_len; /* 0: none */
};
struct file_meta_owner {
	uint8_t flags;
	struct file_meta_id user, group;
};
void file_meta_put_owner(struct buf *b, const struct file_meta_owner *o);
/* Whether the field is there. */
int file_meta_owner(const struct file_meta *m, struct file_meta_owner *o);

/*
 * ACL and DEFAULT_ACL: entries of a POSIX ACL, none where there is no more than
 * the mode, each
 *
 *	u8 kind | u8 permissions (0..7) | with USER and GROUP: u32 id |
 *	u8 length | name
 */
enum file_meta_acl_kind {
	FILE_META_ACL_USER_OBJ = 1,
	FILE_META_ACL_USER = 2,
	FILE_META_ACL_GROUP_OBJ = 3,
	FILE_META_ACL_GROUP = 4,
	FILE_META_ACL_MASK = 5,
	FILE_META_ACL_OTHER = 6,
};
struct file_meta_ace {
	uint8_t kind, perm;
	struct file_meta_id id; /* USER, GROUP */
};
void file_meta_put_ace(struct buf *b, const struct file_meta_ace *a);
/* Decode the next entry of a value.  Returns whether there is one, and it is
 * well-formed. */
int file_meta_get_ace(struct rd *value, struct file_meta_ace *a);

/*
 * XATTR: u8 kinds, the PRESERVE_XATTRS that are kept | all extended attributes
 * of these kinds in ascending order of their names (as bytes), each
 *
 *	u8 length | name | u16 length | value
 */
struct file_meta_xattr {
	char name[FILE_META_NAME_MAX + 1]; /* terminated */
	const uint8_t *value;              /* borrowed */
	uint16_t len;
};
void file_meta_put_xattr(struct buf *b, const struct file_meta_xattr *x);
/* Decode the next attribute.  Returns whether there is one, and it is
 * well-formed. */
int file_meta_get_xattr(struct rd *value, struct file_meta_xattr *x);
/* The kinds that are kept; 0: the field is not there.  value reads the
 * attributes. */
unsigned file_meta_xattrs(const struct file_meta *m, struct rd *value);

/* The bit of enum file_meta_preserve that an attribute of this name belongs to;
 * 0: it is never sent nor set. */
unsigned file_meta_xattr_kind(const char *name);

/* How many bytes its ACLs and extended attributes have: they take room on the
 * disk beside the content. */
uint64_t file_meta_room(const struct file_meta *m);

/* Whether it has the further field with this tag. */
int file_meta_has(const struct file_meta *m, enum file_meta_tag tag);

/* The kinds of enum file_meta_preserve that these further fields need: what a
 * receiver has to have granted. */
unsigned file_meta_needs(const struct file_meta *m);

#endif
