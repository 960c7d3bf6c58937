/* Sends the responses of a batch. */
#ifndef PYTRITON_RESPOND_H
#define PYTRITON_RESPOND_H

#include "response_block.h"

/* Checks the response block and sends a response to every request of the batch. The outputs lie in the response segment,
 * or where the input or the result of a call lies that the callable returned unchanged. False, with problem set and
 * nothing sent, when the block violates the protocol. True with problem set when the violation was found after some
 * responses were sent. */
bool respond_batch(Batch *batch, Answer answer, const Areas *areas, const char **problem);

#endif
