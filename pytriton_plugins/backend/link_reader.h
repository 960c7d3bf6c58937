/* The thread that reads the backend link. */
#ifndef PYTRITON_LINK_READER_H
#define PYTRITON_LINK_READER_H

#include "link.h"

/* Starts the thread, which ends the process when the daemon exits. False, with failure filled: no thread. */
bool link_reader_start(Link *link, Failure *failure);

/* Stops the thread. The end of the link no longer ends the process. */
void link_reader_stop(Link *link);

#endif
