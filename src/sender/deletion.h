/*
 * deletion.h - what the receiver has answered while it is to delete something:
 * the lists that are still to be chosen from, and the results.
 *
 * Layer: sender.
 * Threads: the first stream's.
 */
#ifndef FERRY_SENDER_DELETION_H
#define FERRY_SENDER_DELETION_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fs/name.h"
#include "wire/msg.h"

struct sender;

/* A DIRS without DONE. */
struct deletion_dirs {
	uint8_t *list;
	size_t len;
	uint32_t first; /* the number of its first directory */
	unsigned count;
	unsigned unread; /* directories that could not be read */
};

/* A LIST, until its RESULT. */
struct deletion_list {
	struct deletion_list *next;
	struct msg_extra m;
	int is_answered;                  /* by CHOICE */
	unsigned results_due;             /* how many RESULT has to have */
	uint8_t bits[EXTRA_ROWS_MAX / 8]; /* of CHOICE */
	uint8_t rows[]; /* m.list */
};

struct deletion {
	struct sender *sender; /* borrowed */
	int is_ready;          /* EXTRA_READY has come */
	/* a ring: count of them, the oldest is frames[first] */
	struct deletion_dirs frames[DELETE_AHEAD];
	unsigned first, count;
	/* in the order in which they came, and are answered */
	struct deletion_list *lists, **lists_end;
	unsigned unanswered; /* of these */
};

void deletion_init(struct deletion *d, struct sender *s);
void deletion_release(struct deletion *d);

/* The next DIRS, which is to be sent (count is less than DELETE_AHEAD): keep a
 * copy of its list.  Returns 0 or -1. */
int deletion_add_dirs(struct deletion *d, const struct buf *list,
		      uint32_t first, unsigned count);

/* The directory with this number, of a DIRS without DONE.  Returns 0 or -1. */
int deletion_find_dir(const struct deletion *d, uint32_t number,
		      struct delete_dir *dir);

/* The path of a row of directory dir, terminated; returns its length, 0 where
 * it is too long. */
size_t deletion_path(char path[NAME_PATH_MAX + 1], const struct delete_dir *dir,
		     const struct extra_row *row);

/* The oldest list that was not answered; NULL: there is none. */
struct deletion_list *deletion_next_list(struct deletion *d);

/* Choose row i of a list to be deleted. */
void deletion_choose(struct deletion_list *l, unsigned i,
		     const struct extra_row *row);

/* Append the CHOICE to out that answers the list of deletion_next_list().  When
 * it is sent, RESULT may come and free the list. */
void deletion_put_choice(struct deletion *d, struct deletion_list *l,
			 struct buf *out);

/* Take an EXTRA, whose body has n bytes.  Sends nothing.  d is NULL where none
 * is expected.  Returns 0, ERR_PROTOCOL or ERR_RESOURCE. */
int deletion_take(struct deletion *d, const uint8_t *body, size_t n,
		  struct err *e);

/* Fill in e for an EXTRA that is malformed or not expected. */
int deletion_malformed(struct err *e);

#endif
