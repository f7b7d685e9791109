/*
 * receiver.h - the parts of the receiving side.  Private to session/.
 *
 * Layer: receiver.  receiver.c (accept loop), receiver_door.c (connections
 * without a session), receiver_session.c (what the streams of a session
 * share), receiver_quota.c (what it may send), receiver_hook.c (--exec),
 * receiver_stream.c (a connection's thread), receiver_open.c (files in chunks:
 * their beginning, and what is there of them already), receiver_file.c (the
 * table of them, and their end), receiver_chunk.c (their content),
 * receiver_flush.c (flushing them meanwhile), receiver_pack.c (packs,
 * directories, links), receiver_stdout.c (--stdout).
 *
 * Lock order: receiver.lock, then rsession.lock; the committer's lock is never
 * held when it calls back.
 */
#ifndef FERRY_RECEIVER_RECEIVER_H
#define FERRY_RECEIVER_RECEIVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/runs.h"
#include "chunk/codec.h"
#include "chunk/tree.h"
#include "fs/dirs.h"
#include "fs/journal.h"
#include "fs/part.h"
#include "receiver/committer.h"
#include "receiver/dir_meta.h"
#include "session/channel.h"
#include "session/rate_limit.h"
#include "receiver/receive.h"
#include "session/totals.h"

enum {
	/* From accept() until HELLO or JOIN was understood. */
	HELLO_MS = 10000,
	/* What a stream does with what has arrived when its session is over. */
	DRAIN_MS = 1000,
	/* Connections without a session at a time, less where descriptors are
	 * few. */
	STRANGERS_MAX = 64,
	STRANGERS_MIN = 2,
	/* The same with a code, which is for one. */
	STRANGERS_CODE = 16,
	/* What tells where a connection came from. */
	DOOR_KEY = 8,
	/* A line that damages more of a session than this is given up. */
	RESENDS_MAX = 4096,
	/* Files of a session that may be open at a time. */
	OPEN_FILES_MAX = 64,
	/* Files that wait for their commit: a group, and some more. */
	COMMIT_MAX = 10240,
	/* Links are made when so many wait (less than ITEMS_MAX in sender/queue_priv.h, as
	 * the sender waits for their verdicts), or at the end. */
	LINKS_MAX = 8192,
	LINKS_BYTES = 4 << 20,
	LOOK_PACKS = 16,
	/* Sessions whose streams may come too late: the last that ended. */
	FORMER_MAX = 16,
};

struct receiver {
	/* set once before the threads start */
	const struct receive_config *cfg;
	int root_fd;      /* -1 with to_stdout */
	uint64_t root_dev;
	int listener;
	int wake_fd;      /* eventfd: something changed */
	unsigned open_files; /* that a session may have */
	unsigned commit_max; /* files of a session that wait for their commit */
	uint32_t umask;      /* the user's; the process's is 0 meanwhile */
	uint8_t boot[JOURNAL_BOOT]; /* for journals */
	unsigned strangers_max;
	struct rate_limit rate_limit;
	atomic_int is_stopping;
	int is_short; /* of descriptors; the accept loop's */

	/* guarded by lock */
	pthread_mutex_t lock;
	struct rsession *sessions;
	struct rstream *strangers; /* connections without a session */
	uint8_t former[FORMER_MAX][WIRE_TOKEN]; /* tokens: a ring, */
	unsigned former_count;                  /* of all that ever were */
	unsigned session_count, stranger_count, thread_count;
	unsigned leaving_count; /* sent away, but their threads are there */
	struct rstream *finished; /* their threads have only to be joined */
	uint64_t next_number;
	int has_ended;    /* with once: the session is over, */
	struct err ended; /* and this was its result */
	/* with once, and a sender that said it would come back: until when it
	 * may, and what its lost sessions came to */
	uint64_t await_until_ms;
	uint8_t await_id[WIRE_TOKEN];
	struct totals before;
	struct session_summary lost;
	pthread_cond_t gone; /* a session ended */
};

/* The largest file that is taken: its digest tree stays below 64 MiB. */
#define RECEIVE_SIZE_MAX ((uint64_t)1 << 46)

/* A file that is received in chunks. */
struct infile {
	struct infile *next;
	/* set once when it was opened */
	uint64_t id;
	uint64_t size;        /* or TREE_SIZE_UNKNOWN */
	struct commit *commit; /* part, directory and name, until it is whole */
	struct file_meta meta;
	int is_resumed;       /* the part holds data of an earlier session */
	int is_sealed;        /* that nobody touched since */
	/* a file under the final name that may well be the same: what is claimed
	 * is its content, and there is no part as long as all is so; or -1 */
	int basis_fd;
	enum conflict_action basis_action; /* where it is not the same */
	pthread_mutex_t basis_lock; /* while basis and part are changed */
	/* guarded by the session's lock */
	int is_open;          /* ready for what any stream may bring */
	struct runs claims;   /* leaves claimed and not checked yet */
	int is_flushed;       /* by the flusher, from time to time */
	struct tree *tree;
	unsigned users;
	int is_dead;          /* refused, failed, aborted: takes no more */
	int has_end;
	uint64_t end_size;
	uint8_t end_digest[DIGEST_MAX];
	/* of a stream (size unknown): how far it goes, and where a chunk that
	 * is not full ends, which must be the last (0: none yet) */
	uint64_t reach, short_end;
};

/* What is to be said to the sender: whole frames, and the verdicts of a run
 * that may still grow. */
struct outbox {
	struct buf frames;
	struct msg_verdict run;
	atomic_int is_due; /* frames may hold something */
};

/* What the streams of one session share. */
struct rsession {
	struct rsession *next; /* receiver.lock */
	/* set once */
	struct receiver *receiver;
	uint64_t number;
	uint64_t began_ns;
	struct timespec began; /* as files are dated */
	uint8_t token[WIRE_TOKEN];
	uint8_t id[WIRE_TOKEN];      /* the sender's, see HELLO */
	uint8_t peer_id[STREAM_PEER];
	const struct digest_ops *digest;
	char peer[ADDR_TEXT_MAX];
	uint8_t door_key[DOOR_KEY];
	struct committer *committer;
	struct flusher *flusher; /* guarded by lock until it is there */
	/* eventfds: there is something to say, it ends, or (the first stream)
	 * the committer is through with FINISH */
	int wake_fd, first_wake_fd;

	atomic_int is_over;
	/* FINISH came (else 0): the other streams have to end by then, and what
	 * is still to be said goes by the first one, so that it comes before
	 * SUMMARY */
	atomic_uint_fast64_t end_by_ms;
	atomic_uint_fast64_t wire_bytes, resent_bytes;
	atomic_uint resends; /* that were asked for */
	/* How many more packs of small files are looked for before they are
	 * written: LOOK_PACKS once one was there. */
	atomic_int looks;

	/* guarded by receiver.lock */
	unsigned refs; /* streams */
	struct rstream *streams[STREAMS_MAX];
	int has_asked;  /* FINISH came: no stream may join */
	int is_closing; /* and the committer was told */

	/* guarded by lock */
	pthread_mutex_t lock;
	struct err err;
	int will_retry;      /* the sender will come back if it is lost */
	struct totals totals;
	struct outbox any;   /* for whichever stream comes first */
	/* For the first stream only: verdicts on links.  A sender does not
	 * wait for these before it ends the other streams: that they are held
	 * is enough. */
	struct outbox first;
	struct infile *files;
	unsigned open_count;
	uint64_t open_bytes; /* their sizes, where these are known */
	uint64_t max_id;     /* highest id seen */
	uint64_t taken_items, taken_bytes; /* of what it may send */
	struct dir_meta dir_meta;
	struct buf links;    /* receiver_pack.c */
	uint64_t link_count;
	uint64_t notes;
	int has_finished;    /* the committer is through with FINISH */
	int has_zero;        /* zero_digest was computed */
	uint8_t zero_digest[DIGEST_MAX]; /* of a leaf of zero bytes */
	int has_summed;      /* SUMMARY was sent: a success for this side */
};

/* A connection; belongs to its thread but for what is marked. */
struct rstream {
	struct rstream *next_stranger; /* receiver.lock */
	struct rstream *next_finished; /* receiver.lock */
	pthread_t thread;              /* the accept loop's */
	struct receiver *receiver;
	struct rsession *session; /* NULL before HELLO or JOIN */
	unsigned index;
	int fd;              /* until the stream takes it, else -1 */
	int sock;            /* a duplicate, to send a stranger away; or -1 */
	int is_leaving;      /* receiver.lock: sent away */
	int has_spoken;      /* receiver.lock: as a stranger, said something */
	char peer[ADDR_TEXT_MAX];
	uint8_t door_key[DOOR_KEY];
	uint64_t deadline_ms;
	int spent_code;      /* it was this one that used the code up */
	int is_late;         /* what it wants to join has just ended */
	struct channel channel;    /* channel.stream: changed under receiver.lock */
	struct dirs *dirs;
	struct part_names names;
	struct expander *expander;
	uint8_t *wire;       /* payload as it came: CHUNK_MAX */
	uint8_t *raw;        /* expanded: CHUNK_MAX */
	int wait_finish;     /* FINISH came */
	uint64_t over_by_ms; /* the session is over: until when it goes on */
};

/* ---- receiver.c ---- */
void receiver_message(struct receiver *r, enum session_level level,
		      const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void receiver_wake(struct receiver *r);

/* ---- receiver_door.c ---- */

/* Begin a connection's thread, a stranger's for now.  Another has to leave
 * where they are too many.  Takes over fd. */
void receiver_door_enter(struct receiver *r, int fd, const char *peer,
			 const struct sockaddr_storage *sa);
/* Send one stranger away, if there is one. */
void receiver_door_make_room(struct receiver *r);
/* Whether so many threads of strangers are ending that the next has to
 * wait for them. */
int receiver_door_is_full(struct receiver *r);
/* The stream is no stranger any more, or it is through; in its thread. */
void receiver_door_leave(struct rstream *st);
/* Send all away. */
void receiver_door_close(struct receiver *r);

/* ---- receiver_session.c ---- */

/*
 * Begin a session for its first stream.  One with the same id that is still
 * there (its connection is lost and we have not noticed) is ended first.  NULL
 * with e.
 */
struct msg_hello;
struct rsession *rsession_new(struct rstream *st, const struct msg_hello *m,
			      const struct digest_ops *ops, struct err *e);
/* Attach a further stream by its token; NULL where there is no such session
 * (st->is_late: there was) or its place is taken. */
struct rsession *rsession_join(struct rstream *st, const uint8_t *token,
			       unsigned index);
/* The stream is through; the last one ends the session. */
void rsession_leave(struct rstream *st);
/* FINISH came and was right: the committer is told once the first stream is
 * the only one, as the others may still be at work on something. */
void rsession_ask_finish(struct rsession *s);
/* The session cannot go on: keep the more telling error, stop all. */
void rsession_fail(struct rsession *s, const struct err *e);

/* Count and report a verdict on one item.  name may be NULL for directories
 * that are fine. */
struct item_result {
	uint64_t id;
	uint8_t kind; /* enum item_kind */
	enum file_status status;
	unsigned cause;
	uint64_t need, have;
	const char *name; /* terminated */
	size_t name_len;
	uint64_t size;
	const uint8_t *digest; /* or NULL */
	const char *renamed;   /* its last component is this one, or NULL */
};
void rsession_result(struct rsession *s, const struct item_result *r);
/* A link is here, and will be made at the end. */
void rsession_deferred(struct rsession *s, uint64_t id);
/* Let the verdicts gathered so far go out. */
void rsession_push(struct rsession *s);
/* Put frames built by the caller into the outbox. */
void rsession_post(struct rsession *s, const struct buf *frames);

/* commit_result and the committer's finish hook. */
void rsession_committed(void *ctx, const struct commit *c,
			enum file_status status, unsigned cause);
void rsession_finish(void *ctx);

/* ---- receiver_quota.c ---- */

/*
 * Take so many items and bytes from what the session may send, before they
 * are written.  Returns 0, or STATUS_FAILED with cause CAUSE_LIMIT in v, and
 * where it is the bytes, need and have.
 */
int rsession_take(struct rsession *s, unsigned items, uint64_t bytes,
		  struct item_result *v);
/* They were refused for another reason. */
void rsession_give_back(struct rsession *s, unsigned items, uint64_t bytes);

/* ---- receiver_hook.c ---- */

/* Have the program of --exec run if the session committed something.  May
 * wait. */
void exec_events_session(struct receiver *r, uint64_t number,
			   const char *peer,
			   const struct session_summary *sum);
/* Tell how programs ended.  Returns ERR_AGAIN, or ERR_CLOSED when there will
 * be no more. */
int exec_events_reports(struct receiver *r);
/* Wait for those that run and wait; after a signal, for some seconds. */
void exec_events_end(struct receiver *r);

/* ---- receiver_stream.c ---- */
/* arg: a struct rstream, which goes to receiver.finished at the end. */
void *rstream_main(void *arg);
/* Wait for the sake of --limit-rate. */
int rstream_pace(struct rstream *st, uint64_t bytes, struct err *e);
/* Ask again for what (so called in a message) arrived damaged: so many raw
 * bytes.  ERR_CORRUPT where that happened too often. */
int rstream_ask_again(struct rstream *st, const char *what,
		      const struct msg_resend *m, uint64_t bytes,
		      struct err *e);
/* Throw away n bytes of a body. */
int rstream_skip(struct rstream *st, size_t n, struct err *e);

/* ---- receiver_open.c ---- */
int rfile_open(struct rstream *st, size_t len, struct err *e);
/* Close and free.  The part is removed, unless the transfer can go on with it
 * another time. */
void rfile_free(struct infile *f);
/* Copy a leaf from the basis to the part (through st->raw). */
int rfile_copy_leaf(struct rstream *st, struct infile *f, uint64_t leaf,
		    struct err *e);
/* The part of a file that turned out not to be its basis, with what was found
 * to be the same copied to it.  basis_lock is held.  Returns 0, or ERR_LOCAL
 * with errno. */
int rfile_leave_basis(struct rstream *st, struct infile *f, struct err *e);

/* Remove what an earlier session left of a file that needs no part: journals
 * without one too. */
void rfile_clear_kept(struct rsession *s, const struct infile *f);

/* A part for one file in dir, where it is to be called leaf: hidden where there
 * are such.  c->dir is held. */
int rfile_new_part(struct rstream *st, struct commit *c, int dir,
		   const char *leaf, uint32_t mode, struct err *e);

/* ---- receiver_file.c; of a frame the body is still unread ---- */
int rfile_end(struct rstream *st, size_t len, struct err *e);
int rfile_abort(struct rstream *st, size_t len, struct err *e);
/* ERR_PROTOCOL in e, about the frame that is so called. */
int rfile_malformed(const char *what, struct err *e);
/* Read a body that is not a chunk's: at most RFILE_BODY_MAX bytes. */
enum { RFILE_BODY_MAX = 8192 };
int rfile_read_body(struct rstream *st, size_t len, uint8_t *body,
		    struct err *e);
/* The open file with this id, or NULL.  s->lock is held. */
struct infile *rfile_find(const struct rsession *s, uint64_t id);
/*
 * The open file with this id, in use until rfile_release(); *out is NULL for
 * one that is over (its frames are passed over).  ERR_PROTOCOL in e for an id
 * that never was, or has had no STATE yet, which is the sender's fault.
 */
int rfile_acquire(struct rsession *s, uint64_t id, struct infile **out,
		  struct err *e);
/* The use of a file is over: the last one completes or frees it. */
void rfile_release(struct rsession *s, struct infile *f);
/* A verdict on a file that is not committed. */
void rfile_report(struct rsession *s, const struct infile *f,
		  const struct item_result *v);
/* The file takes no more; with this verdict, if it has none yet. */
void rfile_give_up(struct rsession *s, struct infile *f,
		   const struct item_result *v);
/* The same: it failed. */
void rfile_fail(struct rsession *s, struct infile *f, unsigned cause);
/* Whether it has a basis that is left as it is, the same or not.  Then nobody
 * is told which parts of it are the same, only whether all of it is, once it was
 * said what all of it should be. */
int rfile_basis_stays(const struct infile *f);
/* The verdict where it is not the same. */
struct item_result rfile_conflict(const struct infile *f);
/* Free all; the session's streams are gone. */
void rfile_discard_all(struct rsession *s);

/* ---- receiver_chunk.c: one function a frame; body still unread ---- */
int rfile_chunk(struct rstream *st, size_t len, struct err *e);
int rfile_hole(struct rstream *st, size_t len, struct err *e);
int rfile_check(struct rstream *st, size_t len, struct err *e);
/* Whether a leaf is recorded as received; s->lock is not held. */
int rfile_has_leaf(struct rsession *s, const struct infile *f, uint64_t leaf);

/* ---- receiver_flush.c ---- */
/* Flush the parts that have a journal from time to time, in a thread of its
 * own, so that their chunks count also after a power cut.  NULL when out of
 * memory or threads: then they do not. */
struct flusher *flusher_start(struct rsession *s);
void flusher_stop(struct flusher *fl); /* NULL is allowed */

/* ---- receiver_pack.c ---- */
int rpack_take(struct rstream *st, size_t len, int is_offer, struct err *e);
/* Make the links that wait.  st: the stream whose thread this is, which goes on
 * with its heart-beats; NULL in the committer's.  An error ends the session. */
int rpack_make_links(struct rsession *s, struct rstream *st, struct err *e);

/* ---- receiver_stdout.c ---- */
/* Write to standard output, with heart-beats while its reader is slow. */
int rstdout_write(struct rstream *st, const void *p, size_t n, struct err *e);

#endif
