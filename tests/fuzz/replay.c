/*
 * The driver that takes a target's seeds without a fuzzer: each as it is, cut
 * and mutated, always in the same way.
 *
 *	replay_NAME [-m MUTATIONS] FILE|DIRECTORY...
 *
 * Speaks TAP, one test for each file named.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

enum { INPUT_MAX = 1 << 20, ROOM = 64, CHANGES_MAX = 4 };

/* For LLVMFuzzerMutate(), which has no argument for it. */
static uint32_t random_state;

#pragma weak LLVMFuzzerCustomMutator

static uint8_t interesting(void)
{
	static const uint8_t bytes[] = { 0, 1, 0x7f, 0x80, 0xff, '/', '.',
					 '\n', '"', '\\', ':', '-' };

	return bytes[fuzz_random(&random_state) % sizeof(bytes)];
}

/* What libFuzzer does as well, but simpler. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
	unsigned changes = 1 + fuzz_random(&random_state) % CHANGES_MAX;

	while (changes-- > 0) {
		size_t at = size ? fuzz_random(&random_state) % size : 0;

		switch (fuzz_random(&random_state) % 5) {
		case 0:
			if (size)
				data[at] ^= (uint8_t)(
					1u << fuzz_random(&random_state) % 8);
			break;
		case 1:
			if (size)
				data[at] = interesting();
			break;
		case 2:
			if (size < max_size) {
				memmove(data + at + 1, data + at, size - at);
				data[at] = interesting();
				size++;
			}
			break;
		case 3:
			if (size) {
				memmove(data + at, data + at + 1,
					size - at - 1);
				size--;
			}
			break;
		default:
			size = size ? at : 0;
			break;
		}
	}
	return size;
}

/* Exactly as long as it is, so that a read past its end is seen. */
static void run_one(const uint8_t *data, size_t size)
{
	uint8_t *copy = fuzz_copy(data, size);

	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void run_mutations(const uint8_t *data, size_t size, unsigned count)
{
	size_t max = size + ROOM;
	uint8_t *work = fuzz_alloc(max);

	for (unsigned i = 0; i < count; i++) {
		size_t n = size;

		random_state = (uint32_t)size * 2654435761u + i;
		memcpy(work, data, size);
		if (LLVMFuzzerCustomMutator)
			n = LLVMFuzzerCustomMutator(
				work, n, max, fuzz_random(&random_state));
		else
			n = LLVMFuzzerMutate(work, n, max);
		run_one(work, n);
	}
	free(work);
}

static int run_file(const char *path, unsigned mutations)
{
	uint8_t *data = fuzz_alloc(INPUT_MAX);
	FILE *f = fopen(path, "rb");
	size_t size = f ? fread(data, 1, INPUT_MAX, f) : 0;
	int ok = f && !ferror(f);

	if (f)
		fclose(f);
	if (ok) {
		/* for who has to find out which one it was */
		printf("# %s\n", path);
		fflush(stdout);
		run_one(data, size);
		run_mutations(data, size, mutations);
	}
	free(data);
	return ok;
}

static int is_seed(const struct dirent *ent)
{
	return ent->d_name[0] != '.';
}

/* All files of a directory in the order of their names.  Returns how many
 * there were, or -1. */
static int run_directory(const char *dir, unsigned mutations)
{
	struct dirent **names;
	int n = scandir(dir, &names, is_seed, alphasort), ok = 1;

	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		ok &= run_file(path, mutations);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return ok ? n : -1;
}

static void run_argument(const char *path, unsigned mutations, int number)
{
	struct stat st;
	int n = -1;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		n = run_directory(path, mutations);
	else if (run_file(path, mutations))
		n = 1;
	/* A directory without seeds is a mistake, too. */
	printf("%sok %d - %s: %d seeds, %u mutations of each\n",
	       n > 0 ? "" : "not ", number, path, n, mutations);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned mutations = 0;
	int c;

	while ((c = getopt(argc, argv, "m:")) != -1) {
		if (c != 'm')
			return 2;
		mutations = (unsigned)strtoul(optarg, NULL, 10);
	}
	printf("1..%d\n", argc - optind);
	fflush(stdout);
	for (int i = optind; i < argc; i++)
		run_argument(argv[i], mutations, i - optind + 1);
	return 0;
}
