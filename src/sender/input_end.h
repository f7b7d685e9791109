/*
 * input_end.h - whether an input from another process has ended by itself.
 *
 * Layer: sender.
 * Threads: any.
 *
 * A signal to a whole process group, by a terminal or a service manager, ends
 * the process that writes to our input as well.  Then what was read is not the
 * whole, and which of the two, the end of input or the signal, is noticed first
 * is a matter of chance.
 */
#ifndef FERRY_SENDER_INPUT_END_H
#define FERRY_SENDER_INPUT_END_H

/*
 * Call at the end of an input that is not a regular file: whether a signal to
 * this process came before, or comes just after it.  cancel_fd: readable after
 * a signal; -1: there is none.  Blocks for up to 100 ms.
 */
int input_end_is_signalled(int cancel_fd);

/*
 * Whether an input that has ended is a terminal that hung up: its window was
 * closed, or its connection lost, so that what was typed or pasted may not be
 * the whole.  Does not block.
 */
int input_end_is_hung_up(int fd);

#endif
