/*
 * list_item.h - what of a LIST's items is wanted: looking one up, and the
 * answer to it.
 *
 * Layer: receiver.
 * Threads: the stream's own.
 */
#ifndef FERRY_RECEIVER_LIST_ITEM_H
#define FERRY_RECEIVER_LIST_ITEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "receiver/conflict.h"
#include "receiver/dry_run.h"
#include "receiver/same_meta.h"
#include "receiver/verdict.h"
#include "wire/msg_list.h"

struct dirs;
struct item;
struct node;
struct worker;

/* A file without ACL and attributes, whose further metadata was as it should
 * be: so is that of the next one, where all of this is the same.  Most files of
 * a list have the same owner. */
struct alike {
	const uint8_t *fields; /* of the row; NULL: there is none */
	uint16_t fields_len;
	mode_t wanted, there; /* the modes' bits above 0777 */
	uid_t uid;
	gid_t gid;
};

struct list {
	struct worker *w;
	struct msg_list m;
	int is_dry_run;
	/* of the item at hand */
	int is_unreadable; /* for the sender */
	int has_digest;
	enum conflict_policy existing;
	const struct node *node; /* a symlink, special file or hard link */
	struct verdict over;     /* with CAUSE_LIMIT */
	struct dirs *from;       /* of hard links' first names; or NULL */
	struct msg_listed answer;
	struct alike alike;
	struct dry_run_fs fs;
};

/* Where an item is, or would be. */
struct list_place {
	int dir; /* or the negative errno of opening it */
	const char *leaf;
	struct stat there;
	int error; /* of looking there up: ENOENT where nothing has the name */
};

/* The state of an item; cause: with LISTED_FAILED (enum wire_cause).  In a dry
 * run it is counted and told to the user here. */
void list_item_answer(struct list *l, const struct item *it,
		      enum listed_state state, unsigned cause);

/* It cannot be had: in a dry run that is told, otherwise it gets its
 * verdict. */
void list_item_fail(struct list *l, const struct item *it, int error);

/* It gets no verdict under this id: in a dry run this is its result, unless
 * this user may make nothing there; otherwise it counts when it comes. */
void list_item_want(struct list *l, const struct item *it,
		    enum listed_state state);

/* Look an item up; the directories above it are not made.  p borrows from the
 * worker's walk, until its next step. */
void list_item_look_up(const struct list *l, const struct pack_item *row,
		       struct list_place *p);

/* How metadata of what is there is compared, and set. */
struct same_meta list_item_same_meta(const struct list *l);

/* Something else has the name: do, or plan, what the policy says.  Returns 0,
 * or an error that ends the session. */
int list_item_conflict(struct list *l, const struct item *it,
		       const struct list_place *p, struct err *e);

/* A row that is a file.  Reads what has the name, where a digest came.  As
 * above. */
int list_item_take_file(struct list *l, const struct item *it,
			const struct msg_row *row, struct err *e);

#endif
