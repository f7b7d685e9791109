/*
 * The shared key, and files that contain secrets.  Such a file is checked by
 * its descriptor and never by its name, so that it cannot be replaced between
 * check and use.  Every copy of key bytes is wiped.
 */
#include "auth/key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "auth/hkdf.h"
#include "base/io.h"
#include "base/num.h"
#include "os/fd_path.h"

#define KEY_PREFIX "ferry-key-1:"
#define IDENTITY_PREFIX "ferry/2 "

/*
 * HKDF labels: protocol version, role, purpose.  The role is that of the TLS
 * client, which the labels call "sender" (key.h).
 */
static const char psk_label[] = "ferry/1 sender psk";
static const char id_label[] = "ferry/2 sender identity key";
static const char tag_label[] = "ferry/2 identity ";
/* Of both roles. */
static const char name_label[] = "ferry/1 key name";

enum {
	TAG_BYTES = 16, /* of an identity */
	HEX_DIGITS = 2 * KEY_BYTES,
	PREFIX_LEN = sizeof(KEY_PREFIX) - 1,
	/* with CR and newline */
	LINE_MAX_BYTES = PREFIX_LEN + HEX_DIGITS + 2,
};

/* Whether the file's group may read it on purpose: nobody gets such a mode by a
 * umask.  That is so where another user, who is root, owns the file, where its
 * group is not the one that our files have, and with mode 0440. */
static int is_for_group(const struct stat *st)
{
	return (st->st_mode & 037) == 0 &&
	       (st->st_uid != geteuid() || st->st_gid != getegid() ||
		!(st->st_mode & 0200));
}

static int check_secret(const struct stat *st, const char *path, struct err *e)
{
	if (!S_ISREG(st->st_mode))
		return err_set(e, ERR_USAGE,
			       "%s is not a regular file: secrets are read "
			       "from regular files, /dev/stdin or /dev/fd/N",
			       path);
	/* It was removed, so it can only be reached by this descriptor. */
	if (st->st_nlink == 0)
		return 0;
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return err_set(e, ERR_USAGE,
			       "%s belongs to another user (uid %u): chown it "
			       "or use a file of your own",
			       path, (unsigned)st->st_uid);
	if ((st->st_mode & 077) && !is_for_group(st))
		return err_set(e, ERR_USAGE,
			       "%s is accessible to other users (mode %04o): "
			       "chmod 600 %s",
			       path, (unsigned)(st->st_mode & 07777), path);
	return 0;
}

int key_is_stdin(const char *path)
{
	return path && fd_path_number(path) == STDIN_FILENO;
}

static int open_file(const char *path, int flags, struct err *e)
{
	const int given = fd_path_number(path);
	int fd;

	/* Not opened again: that fails for a socket, and for a pipe of another
	 * user. */
	if (given >= 0)
		fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
	else
		fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	return fd >= 0 ? fd : err_sys(e, ERR_LOCAL, "cannot open %s", path);
}

int key_open_file(const char *path, struct err *e)
{
	return open_file(path, 0, e);
}

int key_open_secret(const char *path, struct err *e)
{
	struct stat st;
	/* O_NONBLOCK: a FIFO is refused without waiting for a writer. */
	int rc = 0, fd = open_file(path, O_NONBLOCK, e);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		rc = err_sys(e, ERR_LOCAL, "cannot get the status of %s", path);
	/* Who handed us a pipe has a right to what is in it. */
	else if (fd_path_number(path) < 0 ||
		 !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
		rc = check_secret(&st, path, e);
	if (rc < 0) {
		io_close(&fd);
		return rc;
	}
	return fd;
}

/* Whether the n bytes at line are exactly one key line; fills k.  line needs
 * room for a NUL. */
static int parse_line(struct key *k, char *line, size_t n)
{
	if (n > 0 && line[n - 1] == '\n')
		n--;
	if (n > 0 && line[n - 1] == '\r')
		n--;
	if (n != PREFIX_LEN + HEX_DIGITS ||
	    memcmp(line, KEY_PREFIX, PREFIX_LEN) != 0)
		return 0;
	line[n] = '\0';
	return hex_decode(k->secret, KEY_BYTES, line + PREFIX_LEN) == 0;
}

int key_load(struct key *k, const char *path, struct err *e)
{
	/* One byte more than the longest valid file, to detect a longer one. */
	char line[LINE_MAX_BYTES + 1];
	ssize_t n;
	int fd, rc = 0;

	memset(k, 0, sizeof(*k));
	fd = key_open_secret(path, e);
	if (fd < 0)
		return fd;
	n = io_read(fd, line, sizeof(line));
	if (n < 0)
		rc = err_sys(e, ERR_LOCAL, "cannot read %s", path);
	else if (n == sizeof(line) || !parse_line(k, line, (size_t)n))
		rc = err_set(e, ERR_USAGE,
			     "%s is not a key file: create one with 'ferry "
			     "keygen' and copy it to both sides",
			     path);
	OPENSSL_cleanse(line, sizeof(line));
	io_close(&fd);
	if (rc < 0)
		key_wipe(k);
	return rc;
}

static int make_line(char *line, struct err *e)
{
	OSSL_LIB_CTX *ctx = hkdf_context();
	struct key k;
	int rc = 0;

	if (!ctx || RAND_priv_bytes_ex(ctx, k.secret, KEY_BYTES, 256) != 1) {
		rc = err_set(e, ERR_RESOURCE,
			     "cannot get random bytes for a key");
	} else {
		memcpy(line, KEY_PREFIX, PREFIX_LEN);
		hex_encode(line + PREFIX_LEN, k.secret, KEY_BYTES);
		line[PREFIX_LEN + HEX_DIGITS] = '\n';
	}
	key_wipe(&k);
	OSSL_LIB_CTX_free(ctx);
	return rc;
}

/* Make the new name durable too.  Failures are ignored: some network file
 * systems cannot do this, and the key itself is written. */
static void sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[4096];
	int fd;

	if (!slash)
		snprintf(dir, sizeof(dir), ".");
	else if (slash == path)
		snprintf(dir, sizeof(dir), "/");
	else if ((size_t)(slash - path) < sizeof(dir))
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	else
		return;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		(void)fsync(fd);
	io_close(&fd);
}

static int write_new(const char *path, const char *line, size_t n,
		     struct err *e)
{
	struct stat ours = { 0 }, there;
	int rc = 0;
	int fd = open(path,
		      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		      0600);

	if (fd < 0 && errno == EEXIST)
		return err_set(e, ERR_LOCAL,
			       "%s already exists: a key is never overwritten",
			       path);
	if (fd < 0)
		return err_sys(e, ERR_LOCAL, "cannot create %s", path);
	/* fchmod(): the umask may have removed the owner's permissions. */
	if (fstat(fd, &ours) < 0 || fchmod(fd, 0600) < 0 ||
	    io_write(fd, line, n) < 0 || fsync(fd) < 0)
		rc = err_sys(e, ERR_LOCAL, "cannot write %s", path);
	if (io_close(&fd) < 0 && rc == 0)
		rc = err_sys(e, ERR_LOCAL, "cannot write %s", path);
	/* The name may be another's file by now. */
	if (rc < 0 && lstat(path, &there) == 0 &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		(void)unlink(path);
	return rc;
}

int key_generate(const char *path, struct err *e)
{
	char line[LINE_MAX_BYTES];
	int rc;

	rc = make_line(line, e);
	if (rc == 0)
		rc = write_new(path, line, PREFIX_LEN + HEX_DIGITS + 1, e);
	if (rc == 0)
		sync_parent(path);
	OPENSSL_cleanse(line, sizeof(line));
	return rc;
}

int key_derive_psk(OSSL_LIB_CTX *libctx, const struct key *k,
		   uint8_t psk[KEY_BYTES], uint8_t id_key[KEY_BYTES],
		   struct err *e)
{
	if (hkdf_derive(libctx, k->secret, KEY_BYTES, psk_label, psk,
			KEY_BYTES) == 0 &&
	    hkdf_derive(libctx, k->secret, KEY_BYTES, id_label, id_key,
			KEY_BYTES) == 0)
		return 0;
	OPENSSL_cleanse(psk, KEY_BYTES);
	OPENSSL_cleanse(id_key, KEY_BYTES);
	return err_set(e, ERR_RESOURCE, "cannot derive the TLS key");
}

int key_identity(OSSL_LIB_CTX *libctx, const uint8_t id_key[KEY_BYTES],
		 const uint8_t nonce[KEY_NONCE], char identity[KEY_IDENTITY_MAX])
{
	char hex[2 * KEY_NONCE + 1], tag_hex[2 * TAG_BYTES + 1];
	char info[HKDF_INFO_MAX];
	uint8_t tag[TAG_BYTES];

	hex_encode(hex, nonce, KEY_NONCE);
	snprintf(info, sizeof(info), "%s%s", tag_label, hex);
	if (hkdf_derive(libctx, id_key, KEY_BYTES, info, tag, sizeof(tag)) < 0)
		return -1;
	hex_encode(tag_hex, tag, sizeof(tag));
	snprintf(identity, KEY_IDENTITY_MAX, "%s%s %s", IDENTITY_PREFIX, hex,
		 tag_hex);
	return 0;
}

int key_is_identity(OSSL_LIB_CTX *libctx, const uint8_t id_key[KEY_BYTES],
		    const uint8_t *identity, size_t n)
{
	char hex[2 * KEY_NONCE + 1], right[KEY_IDENTITY_MAX];
	const size_t prefix = sizeof(IDENTITY_PREFIX) - 1;
	uint8_t nonce[KEY_NONCE];

	if (n < prefix + 2 * KEY_NONCE)
		return 0;
	memcpy(hex, identity + prefix, 2 * KEY_NONCE);
	hex[2 * KEY_NONCE] = '\0';
	return hex_decode(nonce, KEY_NONCE, hex) == 0 &&
	       key_identity(libctx, id_key, nonce, right) == 0 &&
	       n == strlen(right) && CRYPTO_memcmp(identity, right, n) == 0;
}

int key_name(OSSL_LIB_CTX *libctx, const struct key *k,
	     char name[KEY_NAME_MAX], struct err *e)
{
	uint8_t id[KEY_ID_BYTES];
	char hex[2 * KEY_ID_BYTES + 1];

	name[0] = '\0';
	if (hkdf_derive(libctx, k->secret, KEY_BYTES, name_label, id,
			sizeof(id)) < 0)
		return err_set(e, ERR_RESOURCE, "cannot derive the key's name");
	hex_encode(hex, id, sizeof(id));
	snprintf(name, KEY_NAME_MAX, "key:%s", hex);
	return 0;
}

void key_wipe(struct key *k)
{
	OPENSSL_cleanse(k->secret, sizeof(k->secret));
}
