/*
 * Landlock by its raw system calls: neither libc nor the kernel headers of
 * older systems have all of it.
 */
#define _GNU_SOURCE 1
#include "sandbox/landlock.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"

/* The numbers are the same on every architecture. */
enum {
	CALL_CREATE_RULESET = 444,
	CALL_ADD_RULE = 445,
	CALL_RESTRICT_SELF = 446,
	CREATE_VERSION = 1, /* flag of CALL_CREATE_RULESET */
	RULE_PATH = 1,
	PORT_ALL = 3, /* bind and connect */
	SCOPE_ALL = 3, /* abstract sockets and signals */
	ABI_PORTS = 4,
	ABI_SCOPES = 6,
};

/* The rights to files that each ABI knows: new ones are added at the top. */
static const uint64_t known_rights[] = {
	0,
	(UINT64_C(1) << 13) - 1, /* 1 */
	(UINT64_C(1) << 14) - 1, /* 2: REFER */
	(UINT64_C(1) << 15) - 1, /* 3: TRUNCATE */
	(UINT64_C(1) << 15) - 1, /* 4 */
	(UINT64_C(1) << 16) - 1, /* 5: ioctl on devices */
};

/* The rights that a rule for a file may have; others are EINVAL. */
static const uint64_t file_rights = LANDLOCK_EXECUTE | LANDLOCK_WRITE_FILE |
				    LANDLOCK_READ_FILE | LANDLOCK_TRUNCATE;

struct ruleset_attr {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct path_attr {
	uint64_t rights;
	int32_t fd;
} __attribute__((packed));

int landlock_abi(void)
{
	const long abi = syscall(CALL_CREATE_RULESET, NULL, 0, CREATE_VERSION);

	if (abi < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;
	return (int)abi;
}

static uint64_t rights_of(int abi)
{
	const int newest =
		(int)(sizeof(known_rights) / sizeof(known_rights[0])) - 1;

	return known_rights[abi < newest ? abi : newest];
}

static int add_rules(int set, const struct landlock_policy *p, int abi)
{
	for (size_t i = 0; !p->any_file && i < p->count; i++) {
		struct path_attr attr = {
			.rights = p->rules[i].rights & rights_of(abi),
			.fd = p->rules[i].fd,
		};
		struct stat st;

		if (fstat(attr.fd, &st) < 0)
			return -1;
		if (!S_ISDIR(st.st_mode))
			attr.rights &= file_rights;
		if (syscall(CALL_ADD_RULE, set, RULE_PATH, &attr, 0) < 0)
			return -1;
	}
	return 0;
}

int landlock_confine(const struct landlock_policy *p, struct err *e)
{
	const int abi = landlock_abi();
	/* A kernel that does not know a member accepts it if it is 0. */
	const struct ruleset_attr attr = {
		.fs = p->any_file || abi <= 0 ? 0 : rights_of(abi),
		.net = abi >= ABI_PORTS && !p->any_port ? PORT_ALL : 0,
		.scoped = abi >= ABI_SCOPES ? SCOPE_ALL : 0,
	};
	int set, rc = 0;

	if (abi <= 0)
		return err_sys(e, ERR_RESOURCE, "Landlock");
	if (!attr.fs && !attr.net && !attr.scoped)
		return 0; /* a ruleset that restricts nothing is ENOMSG */
	set = (int)syscall(CALL_CREATE_RULESET, &attr, sizeof(attr), 0);
	if (set < 0 || add_rules(set, p, abi) < 0 ||
	    syscall(CALL_RESTRICT_SELF, set, 0) < 0)
		rc = err_sys(e, ERR_RESOURCE, "Landlock");
	io_close(&set);
	return rc;
}
