/*
 * habits.h - options that people know from other tools or from the other
 * command, and what to tell them.
 *
 * Layer: cmd.  Tables.
 */
#ifndef FERRY_CMD_HABITS_H
#define FERRY_CMD_HABITS_H

#include "cmd/options.h"

extern const struct option_habit habits_send[], habits_receive[];

#endif
