/* The thread that reads the backend link. */
#ifndef PYTRITON_LINK_READER_H
#define PYTRITON_LINK_READER_H

#include "link.h"

/* Start the thread. It ends the process when the host is gone. False, with failure filled, when there is no thread. */
bool link_reader_start(Link *link, Failure *failure);

/* Stop reading; the end of the link means nothing from now on. */
void link_reader_stop(Link *link);

#endif
