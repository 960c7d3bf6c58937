/* Finds calls that can only wait for themselves. */
#ifndef PYTRITON_CALL_CHAIN_H
#define PYTRITON_CALL_CHAIN_H

#include "call_wait.h"
#include "failure.h"

/* Whether the call that waits can only wait for itself, and is the one to refuse. Fills the failure then, with the chain of
 * models. */
bool call_chain_is_stuck(const CallWait *wait, Failure *failure);

#endif
