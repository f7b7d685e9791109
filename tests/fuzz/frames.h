/*
 * frames.h - inputs that are a run of frames, and a mutator that knows what a
 * frame is: it changes a body and puts the length right, repeats, drops,
 * swaps and cuts frames, and puts numbers at the edges into fields.
 *
 * The header is that of the protocol (wire/frame.h).  Targets give the flags,
 * which must be 0 on the wire, a meaning of their own; checks of 0 are put
 * right, so that a fuzzer need not find them.
 */
#ifndef FERRY_TESTS_FRAMES_H
#define FERRY_TESTS_FRAMES_H

#include "fuzz.h"

#include "base/buf.h"
#include "wire/msg_list.h"

enum { FRAMES_MAX = 64 };

/* One frame of an input; the last may be cut: then n is less than the length
 * in its header says. */
struct piece {
	const uint8_t *p;
	size_t n;
};

/* Returns how many there are. */
static inline size_t frames_split(struct piece *out, const uint8_t *p,
				  size_t n)
{
	size_t count = 0;

	while (n > 0 && count < FRAMES_MAX) {
		size_t len = n;

		if (n >= FRAME_HEADER && be_get32(p + 4) <= n - FRAME_HEADER)
			len = FRAME_HEADER + be_get32(p + 4);
		out[count].p = p;
		out[count].n = count + 1 < FRAMES_MAX ? len : n;
		p += out[count].n;
		n -= out[count].n;
		count++;
	}
	return count;
}

/* Of a frame of n bytes, the last of which may be missing. */
static inline void frames_put_checks(uint8_t *f, size_t n, size_t digest_size)
{
	size_t fields = n - FRAME_HEADER;

	if (f[0] == FRAME_CHUNK && fields > MSG_CHUNK_FIXED + digest_size)
		fields = MSG_CHUNK_FIXED + digest_size;
	if ((f[0] == FRAME_PACK || f[0] == FRAME_OFFER) &&
	    fields > MSG_PACK_FIXED + digest_size)
		fields = MSG_PACK_FIXED + digest_size;
	if (f[0] == FRAME_LIST && fields > MSG_LIST_FIXED + digest_size)
		fields = MSG_LIST_FIXED + digest_size;
	if (be_get16(f + 2) == 0)
		be_put16(f + 2, frame_header_crc(f));
	if (be_get32(f + 8) == 0)
		be_put32(f + 8, frame_body_crc(f + FRAME_HEADER, fields));
}

static inline uint64_t frames_edge(uint32_t *seed)
{
	static const uint64_t edges[] = {
		0, 1, 2, 63, 64, 65, 0xff, 0x100, 4095, 4096, 0xffff, 0x10000,
		CHUNK_MAX - 1, CHUNK_MAX, CHUNK_MAX + 1, INT32_MAX,
		0x80000000, UINT32_MAX, (uint64_t)1 << 32, (uint64_t)1 << 53,
		((uint64_t)1 << 53) + 1, INT64_MAX, (uint64_t)1 << 63,
		UINT64_MAX - 1, UINT64_MAX,
	};

	return edges[fuzz_random(seed) % (sizeof(edges) / sizeof(edges[0]))];
}

/* A number at an edge, 1 to 8 bytes wide, somewhere in the body. */
static inline void frames_put_edge(uint8_t *body, size_t n, uint32_t *seed)
{
	size_t width = (size_t)1 << fuzz_random(seed) % 4, at;
	uint64_t v = frames_edge(seed);

	if (n < width)
		return;
	at = fuzz_random(seed) % (n - width + 1);
	for (size_t i = width; i-- > 0; v >>= 8)
		body[at + i] = (uint8_t)v;
}

/* Where flags and checks are in a header. */
static inline size_t frames_check_at(uint32_t *seed)
{
	static const uint8_t at[] = { 1, 1, 2, 3, 8, 11 };

	return at[fuzz_random(seed) % sizeof(at)];
}

/* Change the frame's body.  f holds one whole frame in a room of max bytes;
 * returns its new length. */
static inline size_t frames_change(uint8_t *f, size_t n, size_t max,
				   uint32_t *seed)
{
	switch (fuzz_random(seed) % 6) {
	case 0:
		/* another type */
		f[0] = (uint8_t)(fuzz_random(seed) % FRAME_TYPES);
		break;
	case 1: /* flags, or a check */
		f[frames_check_at(seed)] = (uint8_t)fuzz_random(seed);
		break;
	case 2:
		f[frames_check_at(seed)] = 0;
		break;
	case 3:
		frames_put_edge(f + FRAME_HEADER, n - FRAME_HEADER, seed);
		break;
	default:
		n = FRAME_HEADER + LLVMFuzzerMutate(f + FRAME_HEADER,
						    n - FRAME_HEADER,
						    max - FRAME_HEADER);
		be_put32(f + 4, (uint32_t)(n - FRAME_HEADER));
		break;
	}
	return n;
}

/* Change the order and the number of count pieces; returns the new number. */
static inline size_t frames_shuffle(struct piece *pc, size_t count,
				    uint32_t *seed)
{
	size_t i = fuzz_random(seed) % count, j = fuzz_random(seed) % count;
	struct piece one = pc[i];

	switch (fuzz_random(seed) % 4) {
	case 0: /* again, elsewhere */
		if (count == FRAMES_MAX)
			break;
		memmove(pc + j + 1, pc + j, (count - j) * sizeof(*pc));
		pc[j] = one;
		return count + 1;
	case 1: /* gone */
		memmove(pc + i, pc + i + 1, (count - i - 1) * sizeof(*pc));
		return count - 1;
	case 2:
		pc[i] = pc[j];
		pc[j] = one;
		break;
	default: /* cut in the middle, and nothing after it */
		pc[i].n = fuzz_random(seed) % (pc[i].n + 1);
		return i + 1;
	}
	return count;
}

/*
 * LLVMFuzzerCustomMutator() for an input of `skip` bytes of the target's own
 * and then frames.
 */
static inline size_t frames_mutate(uint8_t *data, size_t size,
				   size_t max_size, unsigned seed_value,
				   size_t skip)
{
	struct piece pc[FRAMES_MAX + 1];
	uint32_t seed = seed_value;
	size_t count, used = skip, i;
	uint8_t *out, *changed;

	if (size <= skip + FRAME_HEADER || fuzz_random(&seed) % 16 == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	out = fuzz_alloc(max_size);
	changed = fuzz_alloc(max_size);
	memcpy(out, data, skip);
	count = frames_split(pc, data + skip, size - skip);
	i = fuzz_random(&seed) % count;
	if (fuzz_random(&seed) % 3 == 0) {
		count = frames_shuffle(pc, count, &seed);
	} else if (pc[i].n >= FRAME_HEADER) {
		memcpy(changed, pc[i].p, pc[i].n);
		pc[i].p = changed;
		pc[i].n = frames_change(changed, pc[i].n,
					max_size - size + pc[i].n, &seed);
	}
	for (i = 0; i < count && used + pc[i].n <= max_size; i++) {
		memcpy(out + used, pc[i].p, pc[i].n);
		used += pc[i].n;
	}
	memcpy(data, out, used);
	free(out);
	free(changed);
	return used;
}

#endif
