/*
 * outputs.h - where a report goes: messages and a progress line to standard
 * error, JSON events to a descriptor, a list of files to standard output.
 *
 * Layer: cmd.
 * Threads: none of its own; the owner locks, so that messages and events keep
 * one order.  outputs_new(), outputs_end() and outputs_free() only while no
 * other thread uses it.
 *
 * Between outputs_start() and outputs_end() nothing here waits for a reader:
 * writers (writer.h) take the lines and do.
 */
#ifndef FERRY_CMD_OUTPUTS_H
#define FERRY_CMD_OUTPUTS_H

#include "cmd/writer.h"

struct buf;
struct outputs;

/* json_fd: -1 for no events; borrowed.  has_list: there is a list of files,
 * unless events go to standard output.  NULL when out of memory. */
struct outputs *outputs_new(int json_fd, int has_list);
void outputs_free(struct outputs *o); /* NULL is allowed */

/* Begin each message with the name of this host, which is escaped here. */
void outputs_name_host(struct outputs *o, const char *host);

/* Do not wait for slow readers any more. */
void outputs_start(struct outputs *o);

/* Write a message, one line, in which names and addresses are escaped.  One for
 * which there is no room is counted, and the number is told later. */
void outputs_say(struct outputs *o, const char *text);
void outputs_warn(struct outputs *o, const char *text);
void outputs_fail(struct outputs *o, const char *text); /* an error */

/* Write a message that ends with the one-time code. */
void outputs_say_code(struct outputs *o, const char *code);

/* The buffer for the next JSON event, empty; NULL if there are no events, or no
 * longer since writing one failed. */
struct buf *outputs_json(struct outputs *o);

/* Write the event that was put into that buffer.  The first failure ends the
 * events with a message, but not the transfer. */
void outputs_put_json(struct outputs *o, enum writer_loss loss);

/* Write a line of the list, if there is one. */
void outputs_list(struct outputs *o, const char *text);

/* Wait until the list is written, as outputs_end() does; its lines are written
 * directly afterwards.  Returns whether one could not be written. */
int outputs_end_list(struct outputs *o, int cancel_fd);

/* Redraw the progress lines in place, "" to clear them; or print one as a line,
 * which is dropped where the reader is slow. */
void outputs_draw_progress(struct outputs *o, const char *text);
void outputs_print_progress(struct outputs *o, const char *text);

/* Wait until what was said and drawn so far can be seen, half a second at
 * most. */
void outputs_settle(struct outputs *o);

/* How wide a progress line may be on the terminal, and how many there may
 * be. */
unsigned outputs_columns(const struct outputs *o);
unsigned outputs_rows(const struct outputs *o);

/* Wait until everything is written; once cancel_fd (-1: never) is readable, for
 * two seconds at most an output (see writer_end()).  Messages are written
 * directly afterwards. */
void outputs_end(struct outputs *o, int cancel_fd);

#endif
