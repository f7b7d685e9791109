/*
 * lackfs LACK[,LACK...] SOURCE MOUNTPOINT - a FUSE file system that shows the
 * directory SOURCE, and lacks or ignores some calls as other file systems do.
 * Runs in the background until it is unmounted (umount MOUNTPOINT).
 *
 *	link         no hard links (EPERM)
 *	flags        no flags of renameat2() (EINVAL)
 *	noreplace    no RENAME_NOREPLACE (EINVAL)
 *	exchange     no RENAME_EXCHANGE (EINVAL)
 *	exchange-ignored  RENAME_EXCHANGE is accepted, and renames
 *	noreplace-ignored  RENAME_NOREPLACE is accepted, and what is there
 *		     replaced
 *	statfs       all sizes of the file system are told as 0
 *	close        content is refused when the file is closed (EDQUOT), as NFS
 *		     may do
 *	symlink      no symlinks (EPERM)
 *	chmod, utimens    refused (EPERM)
 *	chmod-ignored, utimens-ignored  accepted, and nothing is done
 *	mode=OCTAL, uid=N  every file has this mode, this owner
 *	fsync        of a file: EINVAL
 *	fsyncdir     of a directory: EINVAL
 *	seconds=N    times are multiples of N seconds
 *	names        a name with one of "*:<>?\| is refused (EINVAL)
 *	size=N       no file can have more than N bytes (EFBIG)
 *	fold         upper and lower case are the same, and so are "é" and e
 *		     with a combining accent; a name stays as it was first
 *		     written
 *	inodes       a file has another inode under each spelling of its name
 *	inode        a file has another inode each time that it is looked at
 *	fold=NAME    the same, but only in directories of that name and those
 *		     below them, which have the attribute of chattr +F
 */

#define FUSE_USE_VERSION 31
#include <fuse.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int root_fd;
static const char *lacking;
static long mode_of_all = -1, uid_of_all = -1, size_max = LONG_MAX, seconds;
static atomic_uint_fast64_t inode = 1 << 20; /* the next */

/* Whether this word is in the list; *value_out, if not NULL, is what
 * follows. */
static int lacks(const char *word, const char **value_out)
{
	const size_t n = strlen(word);

	for (const char *p = lacking; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, word, n) == 0 && strchr(",=", p[n])) {
			if (value_out)
				*value_out = p + n + (p[n] == '=');
			return 1;
		}
	}
	return 0;
}

static int result(long rc)
{
	return rc < 0 ? -errno : (int)rc;
}

/* ---- names ---- */

static void fold_to(char *out, size_t size, const char *name)
{
	size_t n = 0;

	while (*name && n + 4 < size) {
		if (strncmp(name, "\xc3\xa9", 2) == 0 ||
		    strncmp(name, "\xc3\x89", 2) == 0) {
			memcpy(out + n, "e\xcc\x81", 3);
			n += 3;
			name += 2;
		} else {
			out[n++] = (char)tolower((unsigned char)*name++);
		}
	}
	out[n] = '\0';
}

/* Put the name in the directory dir (a path) that name folds to, which is name
 * itself where there is none, into out. */
static void stored_name(const char *dir, const char *name, char *out, size_t size)
{
	char want[NAME_MAX + 64], have[NAME_MAX + 64];
	int fd = openat(root_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	snprintf(out, size, "%s", name);
	fold_to(want, sizeof(want), name);
	while (d && (de = readdir(d))) {
		fold_to(have, sizeof(have), de->d_name);
		if (strcmp(want, have) == 0)
			snprintf(out, size, "%s", de->d_name);
	}
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
}

/* Whether the directory dir (a path below root_fd) folds names. */
static int folds_in(const char *dir)
{
	const char *only;
	char want[NAME_MAX + 3], have[PATH_MAX + 2];

	if (!lacks("fold", &only))
		return 0;
	if (!*only || *only == ',')
		return 1;
	snprintf(want, sizeof(want), "/%.*s/", (int)strcspn(only, ","), only);
	snprintf(have, sizeof(have), "%s/", dir);
	return strstr(have, want) != NULL;
}

/* The path below root_fd. */
static const char *real(const char *path, char out[PATH_MAX])
{
	char name[NAME_MAX + 1], stored[NAME_MAX + 1];
	size_t used = 1;

	strcpy(out, ".");
	while (*path) {
		size_t n;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 0)
			break;
		snprintf(name, sizeof(name), "%.*s", (int)n, path);
		snprintf(stored, sizeof(stored), "%s", name);
		if (folds_in(out))
			stored_name(out, name, stored, sizeof(stored));
		used += (size_t)snprintf(out + used, PATH_MAX - used, "/%s",
					 stored);
		path += n;
	}
	return out;
}

static int refuses_name(const char *path)
{
	return lacks("names", NULL) && strpbrk(path, "\"*:<>?\\|");
}

/* ---- calls ---- */

static void *fs_init(struct fuse_conn_info *conn, struct fuse_config *cfg)
{
	(void)conn;
	cfg->use_ino = !lacks("inodes", NULL);
	cfg->nullpath_ok = 0;
	cfg->hard_remove = 0;
	if (lacks("inode", NULL))
		cfg->attr_timeout = 0;
	if (lacks("fold", NULL)) {
		/* The kernel caches by the names that it has asked for. */
		cfg->entry_timeout = 0;
		cfg->negative_timeout = 0;
		cfg->attr_timeout = 0;
	}
	return NULL;
}

static int fs_getattr(const char *path, struct stat *st,
		      struct fuse_file_info *fi)
{
	char p[PATH_MAX];
	int rc = fi ? fstat((int)fi->fh, st) :
		      fstatat(root_fd, real(path, p), st, AT_SYMLINK_NOFOLLOW);

	if (rc == 0 && mode_of_all >= 0 && !S_ISLNK(st->st_mode))
		st->st_mode = (st->st_mode & S_IFMT) | (mode_t)mode_of_all;
	if (rc == 0 && seconds > 0) {
		st->st_mtim.tv_sec -= st->st_mtim.tv_sec % seconds;
		st->st_mtim.tv_nsec = 0;
		st->st_ctim.tv_sec -= st->st_ctim.tv_sec % seconds;
		st->st_ctim.tv_nsec = 0;
	}
	if (rc == 0 && uid_of_all >= 0)
		st->st_uid = (uid_t)uid_of_all;
	if (rc == 0 && lacks("inode", NULL) && S_ISREG(st->st_mode))
		st->st_ino = (ino_t)atomic_fetch_add(&inode, 1);
	return result(rc);
}

static int fs_readlink(const char *path, char *target, size_t size)
{
	char p[PATH_MAX];
	ssize_t n = readlinkat(root_fd, real(path, p), target, size - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return 0;
}

static int fs_mknod(const char *path, mode_t mode, dev_t dev)
{
	char p[PATH_MAX];

	return result(mknodat(root_fd, real(path, p), mode, dev));
}

static int fs_mkdir(const char *path, mode_t mode)
{
	char p[PATH_MAX];

	if (refuses_name(path))
		return -EINVAL;
	return result(mkdirat(root_fd, real(path, p), mode));
}

static int fs_unlink(const char *path)
{
	char p[PATH_MAX];

	return result(unlinkat(root_fd, real(path, p), 0));
}

static int fs_rmdir(const char *path)
{
	char p[PATH_MAX];

	return result(unlinkat(root_fd, real(path, p), AT_REMOVEDIR));
}

static int fs_symlink(const char *target, const char *path)
{
	char p[PATH_MAX];

	if (lacks("symlink", NULL))
		return -EPERM;
	if (refuses_name(path))
		return -EINVAL;
	return result(symlinkat(target, root_fd, real(path, p)));
}

static int fs_rename(const char *from, const char *to, unsigned flags)
{
	char a[PATH_MAX], b[PATH_MAX];

	if (refuses_name(to))
		return -EINVAL;
	if (flags && lacks("flags", NULL))
		return -EINVAL;
	if ((flags & RENAME_NOREPLACE) && lacks("noreplace", NULL))
		return -EINVAL;
	if ((flags & RENAME_EXCHANGE) && lacks("exchange", NULL))
		return -EINVAL;
	if ((flags & RENAME_EXCHANGE) && lacks("exchange-ignored", NULL))
		flags = 0;
	if ((flags & RENAME_NOREPLACE) && lacks("noreplace-ignored", NULL))
		flags = 0;
	return result(renameat2(root_fd, real(from, a), root_fd, real(to, b),
				flags));
}

static int fs_link(const char *from, const char *to)
{
	char a[PATH_MAX], b[PATH_MAX];

	if (lacks("link", NULL))
		return -EPERM;
	if (refuses_name(to))
		return -EINVAL;
	return result(linkat(root_fd, real(from, a), root_fd, real(to, b), 0));
}

static int fs_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	char p[PATH_MAX];

	if (lacks("chmod", NULL))
		return -EPERM;
	if (lacks("chmod-ignored", NULL) || mode_of_all >= 0)
		return 0;
	if (fi)
		return result(fchmod((int)fi->fh, mode));
	return result(fchmodat(root_fd, real(path, p), mode, 0));
}

static int fs_chown(const char *path, uid_t uid, gid_t gid,
		    struct fuse_file_info *fi)
{
	char p[PATH_MAX];

	(void)fi;
	return result(fchownat(root_fd, real(path, p), uid, gid,
			       AT_SYMLINK_NOFOLLOW));
}

static int fs_utimens(const char *path, const struct timespec tv[2],
		      struct fuse_file_info *fi)
{
	char p[PATH_MAX];

	if (lacks("utimens", NULL))
		return -EPERM;
	if (lacks("utimens-ignored", NULL))
		return 0;
	if (fi)
		return result(futimens((int)fi->fh, tv));
	return result(utimensat(root_fd, real(path, p), tv,
				AT_SYMLINK_NOFOLLOW));
}

static int fs_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	char p[PATH_MAX];
	int fd, rc;

	if (size > size_max)
		return -EFBIG;
	if (fi)
		return result(ftruncate((int)fi->fh, size));
	fd = openat(root_fd, real(path, p), O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = result(ftruncate(fd, size));
	close(fd);
	return rc;
}

static int open_it(const char *path, int flags, mode_t mode,
		   struct fuse_file_info *fi)
{
	char p[PATH_MAX];
	int fd = openat(root_fd, real(path, p),
			(flags & ~O_APPEND) | O_CLOEXEC, mode);

	if (fd < 0)
		return -errno;
	fi->fh = (uint64_t)fd;
	return 0;
}

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	if (refuses_name(path))
		return -EINVAL;
	return open_it(path, fi->flags | O_CREAT, mode, fi);
}

static int fs_open(const char *path, struct fuse_file_info *fi)
{
	return open_it(path, fi->flags, 0, fi);
}

static int fs_read(const char *path, char *to, size_t n, off_t off,
		   struct fuse_file_info *fi)
{
	(void)path;
	return result(pread((int)fi->fh, to, n, off));
}

static int fs_write(const char *path, const char *from, size_t n, off_t off,
		    struct fuse_file_info *fi)
{
	(void)path;
	if (off + (off_t)n > size_max)
		return -EFBIG;
	return result(pwrite((int)fi->fh, from, n, off));
}

static int fs_statfs(const char *path, struct statvfs *st)
{
	(void)path;
	if (lacks("statfs", NULL)) {
		memset(st, 0, sizeof(*st));
		return 0;
	}
	return result(fstatvfs(root_fd, st));
}

static int fs_flush(const char *path, struct fuse_file_info *fi)
{
	struct stat st;

	(void)path;
	return lacks("close", NULL) && fstat((int)fi->fh, &st) == 0 &&
	       st.st_size > 0 ? -EDQUOT : 0;
}

static int fs_release(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	return result(close((int)fi->fh));
}

static int fs_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
	(void)path;
	if (lacks("fsync", NULL))
		return -EINVAL;
	return result(data_only ? fdatasync((int)fi->fh) : fsync((int)fi->fh));
}

static int fs_opendir(const char *path, struct fuse_file_info *fi)
{
	return open_it(path, O_RDONLY | O_DIRECTORY, 0, fi);
}

static int fs_fsyncdir(const char *path, int data_only,
		       struct fuse_file_info *fi)
{
	(void)data_only;
	return lacks("fsyncdir", NULL) ? -EINVAL : fs_fsync(path, 0, fi);
}

static int fs_readdir(const char *path, void *buf, fuse_fill_dir_t fill,
		      off_t off, struct fuse_file_info *fi,
		      enum fuse_readdir_flags flags)
{
	int fd = openat((int)fi->fh, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	(void)path;
	(void)off;
	(void)flags;
	if (!d)
		return -errno;
	while ((de = readdir(d))) {
		const struct stat st = { .st_ino = de->d_ino,
					 .st_mode = (mode_t)DTTOIF(de->d_type) };

		if (fill(buf, de->d_name, &st, 0, 0))
			break;
	}
	closedir(d);
	return 0;
}

static long number(const char *word, int base, long none)
{
	const char *text;

	return lacks(word, &text) ? strtol(text, NULL, base) : none;
}

static int fs_ioctl(const char *path, int cmd, void *arg,
		    struct fuse_file_info *fi, unsigned flags, void *data)
{
	char p[PATH_MAX];

	(void)arg;
	(void)fi;
	if ((unsigned)cmd != FS_IOC_GETFLAGS || !(flags & FUSE_IOCTL_DIR))
		return -ENOTTY;
	*(unsigned *)data = 0;
	if (!lacks("fold", NULL) || folds_in("."))
		return 0;
	if (folds_in(real(path, p)))
		*(unsigned *)data = FS_CASEFOLD_FL;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct fuse_operations ops = {
		.init = fs_init,
		.getattr = fs_getattr,
		.readlink = fs_readlink,
		.mknod = fs_mknod,
		.mkdir = fs_mkdir,
		.unlink = fs_unlink,
		.rmdir = fs_rmdir,
		.symlink = fs_symlink,
		.rename = fs_rename,
		.link = fs_link,
		.chmod = fs_chmod,
		.chown = fs_chown,
		.utimens = fs_utimens,
		.truncate = fs_truncate,
		.create = fs_create,
		.open = fs_open,
		.read = fs_read,
		.write = fs_write,
		.statfs = fs_statfs,
		.flush = fs_flush,
		.release = fs_release,
		.fsync = fs_fsync,
		.opendir = fs_opendir,
		.readdir = fs_readdir,
		.releasedir = fs_release,
		.fsyncdir = fs_fsyncdir,
		.ioctl = fs_ioctl,
	};
	char name[] = "lackfs",
	     options[] = "-oallow_other,default_permissions,fsname=lackfs";
	char *args[] = { name, options, NULL, NULL };

	if (argc != 4) {
		fprintf(stderr, "usage: lackfs LACK,... SOURCE MOUNTPOINT\n");
		return 2;
	}
	lacking = argv[1];
	root_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0) {
		perror(argv[2]);
		return 1;
	}
	mode_of_all = number("mode", 8, -1);
	uid_of_all = number("uid", 10, -1);
	size_max = number("size", 10, LONG_MAX);
	seconds = number("seconds", 10, 0);
	umask(0);
	args[2] = argv[3];
	return fuse_main(3, args, &ops, NULL);
}
