/* The backend's end of the backend link, and the models that the host declared over it. */
#ifndef PYTRITON_LINK_H
#define PYTRITON_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"

typedef struct Link Link;

/* Take over the link and start the thread that reads it; NULL with failure filled. The thread ends the process when
 * the host is gone. */
Link *link_start(int descriptor, Failure *failure);

/* Stop reading; the end of the link means nothing from now on. Everything is freed. */
void link_finish(Link *link);

bool link_gate_is_open(Link *link);

/* The newest declaration of that name and version, or NULL. Pools live as long as the link. */
Pool *link_find_pool(Link *link, const char *name, uint64_t version);

/* Ask the host for a request segment of at least this many bytes in place of the channel's. False with failure filled. */
bool link_need_segment(Link *link, Channel *channel, uint64_t bytes, Failure *failure);

/* Tell the host that the channel is of no more use, and whether its worker was late. */
void link_report_lost(Link *link, const Channel *channel);

/* Tell the host that no model of Triton uses the pool any more. */
void link_report_model_gone(Link *link, const Pool *pool);

#endif
