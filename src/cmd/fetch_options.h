/*
 * fetch_options.h - the options of ferry send that ferry receive takes with
 * HOST:PATH, and forwards.
 *
 * Layer: cmd.
 *
 * Another host may order each of them of ferry send here: so there is none that
 * reads or runs anything but the paths.
 */
#ifndef FERRY_CMD_FETCH_OPTIONS_H
#define FERRY_CMD_FETCH_OPTIONS_H

#include "cmd/options.h"

extern const struct option_group fetch_options_group;

#endif
