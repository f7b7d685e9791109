/*
 * A list, as there are few.
 */
#include "cmd/peers.h"

#include <stdlib.h>
#include <string.h>

void peers_add(struct peer **list, uint64_t number, const char *text,
	       const char *sender)
{
	const size_t size = strlen(text) + 1;
	struct peer *p = calloc(1, sizeof(*p) + size);

	if (!p)
		return;
	p->number = number;
	memcpy(p->text, text, size);
	p->sender = sender ? strdup(sender) : NULL;
	p->next = *list;
	*list = p;
}

struct peer *peers_find(struct peer *list, uint64_t number)
{
	while (list && list->number != number)
		list = list->next;
	return list;
}

struct peer *peers_take(struct peer **list, uint64_t number)
{
	struct peer *p;

	while (*list && (*list)->number != number)
		list = &(*list)->next;
	p = *list;
	if (p)
		*list = p->next;
	return p;
}

void peers_free(struct peer *p)
{
	if (p)
		free(p->sender);
	free(p);
}
