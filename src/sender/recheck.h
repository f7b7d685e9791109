/*
 * recheck.h - whether a source still has the content that was sent of it.
 *
 * Layer: sender.
 * Threads: the stream's.
 */
#ifndef FERRY_SENDER_RECHECK_H
#define FERRY_SENDER_RECHECK_H

struct err;
struct outfile;
struct send_stream;

/*
 * Compare an open file, all leaves of which have digests, with what it was when
 * it was opened.  Where its status leaves that in doubt, its content is read
 * again: up to the first range of leaves that differs.  With --growing, more
 * content after what was sent is no change.  Standard input is not compared.
 *
 * Blocks; the receiver's answers are read meanwhile, and heart-beats sent.
 * Returns 0, with the reason in *fe where the file has changed or cannot be
 * read; 1 where it was given up by another stream; or an error that ends the
 * session.
 */
int recheck_source(struct send_stream *st, struct outfile *f, struct err *fe,
		   struct err *e);

#endif
