/* Sends the responses of a batch that a worker answered. */
#ifndef PYTRITON_RESPOND_H
#define PYTRITON_RESPOND_H

#include "response_block.h"

/* Check the worker's block and send every request of the batch its response, from the response segment, or what the callable
 * gave back as it came from where its input lies. False, with wrong filled and nothing sent, when the block
 * breaks the protocol; true with wrong filled when that only showed while some had been sent. */
bool respond_batch(Batch *batch, Answer answer, Area response, Area request, const char **problem);

#endif
