/*
 * dl_iterate_phdr() tells where the program and its libraries are loaded.
 * dladdr() would also look for the name of the function, through all symbols of
 * libc.
 */
#define _GNU_SOURCE 1
#include "os/interposed.h"

#include <link.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct wanted {
	uintptr_t address;
	const char *file; /* as dl_iterate_phdr() has it: "" for the program */
};

/* A callback of dl_iterate_phdr(): 1 ends it. */
static int has_address(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct wanted *w = ctx;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		const uintptr_t start = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_LOAD && w->address >= start &&
		    w->address - start < segment->p_memsz) {
			w->file = info->dlpi_name;
			return 1;
		}
	}
	return 0;
}

/* The file that has the function at this address, without its directory; "" for
 * the program itself, NULL where that is not known. */
static const char *file_of(uintptr_t address)
{
	struct wanted w = { address, NULL };
	const char *slash;

	if (dl_iterate_phdr(has_address, &w) == 0)
		return NULL;
	slash = strrchr(w.file, '/');
	return slash ? slash + 1 : w.file;
}

/* libpthread: before glibc 2.34 it has a connect() too.  gcc's sanitizers are
 * libraries that wrap such functions. */
static int is_usual(const char *file)
{
	static const char *const names[] = { "libc.", "libc-", "ld-musl",
					     "libpthread", "libasan.", "libtsan.",
					     "liblsan.", "libubsan." };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strncmp(file, names[i], strlen(names[i])) == 0)
			return 1;
	}
	return 0;
}

const char *interposed_by(char *dst, size_t size)
{
	const uintptr_t functions[] = { (uintptr_t)connect,
					(uintptr_t)getaddrinfo };

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		const char *file = file_of(functions[i]);

		/* The program itself: linked statically, or with clang's
		 * sanitizers. */
		if (!file || !*file || is_usual(file))
			continue;
		snprintf(dst, size, "%s", file);
		return dst;
	}
	return NULL;
}
