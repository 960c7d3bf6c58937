/* Statistics of each response of a stream, as Triton's statistics endpoint shows them. */
#ifndef PYTRITON_RESPONSE_REPORT_H
#define PYTRITON_RESPONSE_REPORT_H

#include "instance.h"

/* Report the response, or the error or the end, that the stream's request has just been sent. It was awaited
 * since times->response_start, and came at arrived. Moves times->response_start on. */
void response_report(Instance *instance, Times *times, uint64_t arrived, bool has_outputs);

#endif
