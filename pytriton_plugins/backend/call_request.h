/* Makes Triton's request of a call, and sends it. */
#ifndef PYTRITON_CALL_REQUEST_H
#define PYTRITON_CALL_REQUEST_H

#include "calls.h"

/* Sends the call, which is open from now on. False, with failure filled: it is not open. */
bool call_request_send(Calls *calls, const Batch *batch, const Segment *request, const CallMessage *message, uint64_t number,
                       Failure *failure);

#endif
