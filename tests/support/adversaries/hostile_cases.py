"""The expected results of each hostile model in tests/support/models/hostile_models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from numpy.typing import NDArray

Array = NDArray[Any]
PARTS = 20
"""Responses of a stream without end after which its client leaves."""

LEFT = f"answer, {PARTS} times; the client left"


@attrs.frozen
class Case:
    """The result that a client gets (its beginning, if it ends with …), and whether the worker is replaced."""

    client: str = "answer"
    replaced: bool = False
    right: Callable[[Array], bool] = lambda y: y.ravel().tolist() == [2, 6]
    """Whether these outputs are the answer to a hostile request."""

    def expects(self, model: str, client: str) -> bool:
        text = self.client.format(model=model)
        return client.startswith(text[:-1]) if text.endswith("…") else client == text


def answered(right: Callable[[Array], bool]) -> Case:
    return Case(right=right)


ANSWERED, ANSWERED_THEN_REPLACED = Case(), Case(replaced=True)
ENDED = Case("model {model}: its worker ended while it ran this request…", replaced=True)
BROKE = "model {model}: its worker broke the protocol:"
LATE = Case("model {model}: the callable did not return within the model's timeout of 1 s", replaced=True)
TOLD = Case("ValueError: told all the same")

FILES: dict[str, dict[str, Case]] = {
    "processes": {
        "fork_answered_by_both": ANSWERED,
        "fork_bomb_of_fifty": ANSWERED,
        "daemon_by_double_fork": ANSWERED,
        "children_left_running": ANSWERED,
        "children_never_waited_for": ANSWERED,
        "pool_by_fork": ANSWERED,
        "pool_by_forkserver": ANSWERED,
        "executor_by_spawn": ANSWERED,
        "shared_memory_left": ANSWERED,
        "shared_memory_and_death": ENDED,
        "process_replaced": ENDED,
        "threads_that_spin": ANSWERED,
        "threads_that_never_end": ANSWERED,
    },
    "signals": {
        "all_signals_ignored": ANSWERED,
        "all_signals_handled": ANSWERED,
        "all_signals_blocked": ANSWERED,
        "alarm_every_millisecond": ANSWERED,
        "alarm_that_raises": Case("RuntimeError: alarm"),
        "harmless_signals_to_the_daemon": ANSWERED,
        "kill_of_itself": ENDED,
        "kill_of_zero": ENDED,
        "kill_of_its_group": ENDED,
        "stop_of_itself": LATE,
        "exit_zero": ENDED,
        "abort": ENDED,
        "segfault": ENDED,
        "stack_overflow_in_c": ENDED,
        "exit_by_faulthandler": ENDED,
    },
    "descriptors": {
        "all_descriptors_closed": ENDED,
        "standard_streams_closed": Case("OSError: [Errno 9] Bad file descriptor"),
        "standard_streams_none": Case("ValueError: there is nothing to print it to"),
        "kill_pipe_closed": ANSWERED,
        "channel_redirected": ENDED,
        "garbage_to_the_channel": Case(f"{BROKE} a message of a wrong size", replaced=True),
        "message_of_zeros_to_the_channel": Case(f"{BROKE} a message that is not DONE", replaced=True),
        "channel_shut_down": ENDED,
        "garbage_to_the_link": ENDED,
        "flood_of_the_link": ANSWERED,
        "link_shut_down": ENDED,
        "flood_of_metrics": ANSWERED,
        "no_descriptor_left": ANSWERED,
        "no_descriptor_left_for_a_large_answer": ENDED,
        "memory_files_kept": ANSWERED,
    },
    "prints": {
        "million_lines": ANSWERED,
        "line_of_fifty_megabytes": ANSWERED,
        "million_empty_lines": ANSWERED,
        "binary_and_control_characters": ANSWERED,
        "forged_records": ANSWERED,
        "byte_by_byte": ANSWERED,
        "child_that_prints_for_ever": ANSWERED,
        "log_of_huge_records": ANSWERED,
        "stream_that_raises": TOLD,
        "stream_that_does_not_wait": TOLD,
    },
    "raises": {
        "text_of_ten_megabytes": Case("ValueError: xxxxxxxx…"),
        "name_of_a_megabyte": Case(r"Name\nName\n…"),
        "text_of_control_characters": Case(r"ValueError: \x00\x1b[2J\r\n\x1e\x1f\ud800\u202e"),
        "str_raises": Case("StrRaises"),
        "str_recurses": Case("StrRecurses"),
        "str_is_no_text": Case("StrIsNoText"),
        "str_loops": LATE,
        "request_error_of_an_odd_code": Case("odd"),
        "causes_in_a_circle": Case("ValueError: first"),
        "thousand_causes": Case("ValueError: 1999"),
        "exception_group_in_depth": Case("ExceptionGroup: …"),
        "recursion_without_end": Case("RecursionError: model '{model}' called itself too deeply…"),
        "recursion_of_ten_thousand": Case("RecursionError: model '{model}' called itself too deeply…"),
        "stop_iteration": Case("StopIteration: [1. 3.]"),
        "base_exception": Case("OwnBase: not caught"),
        "memory_error": Case("MemoryError: model '{model}' ran out of memory in its worker"),
        "raised_from_another_thread": Case("TimeoutError"),
    },
    "broken": {
        "text_of_ten_megabytes_of_accents": Case("ValueError: éééé…"),
        "name_raises": Case("HasNoName: text"),
        "attributes_raise": Case("AttributesRaise: text"),
        "class_raises": Case("ClassRaises: text"),
        "str_of_hostile_text": Case("StrOfHostileText: hostile text"),
        "str_raises_base_exception": Case("StrExits"),
        "code_raises": Case("text"),
        "log_handler_raises": Case("ValueError: not logged"),
        "log_records_raise": Case("ValueError: not logged"),
        "builtins_replaced": TOLD,
        "builtins_replaced_in_a_loop": TOLD,
    },
    "arrays": {
        "inputs_kept": ANSWERED,
        "input_written_through_a_pointer": ENDED,
        "input_made_writeable": Case(
            "ValueError: cannot set WRITEABLE flag to True of this array; inputs are read-only…"
        ),
        "input_resized": ANSWERED,
        "input_returned": answered(lambda y: y.tolist() == [1, 3]),
        "reversed_view": ANSWERED,
        "every_second_of_an_input": ANSWERED,
        "fortran_order": answered(lambda y: y.tolist() == [[1, 2], [3, 6]]),
        "broadcast_without_strides": answered(lambda y: y.tolist() == [[2, 2]] * 3),
        "broadcast_to_a_terabyte": Case("…"),
        "big_endian": Case("…"),
        "not_aligned": ANSWERED,
        "mapped_file": ANSWERED,
        "subclass_that_raises": Case("…"),
        "objects": Case("…"),
        "list_that_holds_itself": Case("…"),
        "pointer_to_nothing": ENDED,
        "array_protocol_raises": Case("…"),
        "dict_that_raises": Case("RuntimeError: gives nothing"),
        "changed_while_written": answered(lambda y: y.size == 1 << 20 and bool((abs(y) == 1).all())),
        "answer_of_a_hundred_megabytes": answered(lambda y: y.size == 25 << 20 and bool((y == 2).all())),
    },
    "loops": {
        "loop_blocked": LATE,
        "awaits_for_ever": LATE,
        "swallows_the_cancellation": LATE,
        "loop_stopped": ENDED,
        "all_tasks_cancelled": ENDED,
        "cancels_itself": Case(
            "RuntimeError: CancelledError: an await of the callable was cancelled, not by its clients"
        ),
        "tasks_left": ANSWERED,
        "loop_run_inside_the_loop": Case("RuntimeError: asyncio.run() cannot be called from a running event loop"),
        "loop_flooded_by_a_thread": ANSWERED,
    },
    "lives": {
        "CloseHangs": ANSWERED,
        "CloseRaises": ANSWERED,
        "CloseForksAndStops": ANSWERED,
        "del_that_raises": ANSWERED,
        "atexit_that_hangs": ANSWERED,
        "atexit_that_exits": ANSWERED,
        "atexit_that_forks": ANSWERED,
        "excepthook_that_exits": Case("ValueError: caught by the worker"),
    },
    "surroundings": {
        "process_settings": ANSWERED,
        "process_controls": ANSWERED,
        "all_limits_at_zero": ANSWERED,
        "root_changed": Case("ValueError: its source cannot be read"),
        "other_user": ANSWERED,
        "namespace_of_its_own": ANSWERED,
        "json_replaced": ANSWERED_THEN_REPLACED,
        "struct_and_socket_replaced": ENDED,
        "os_read_replaced": ANSWERED_THEN_REPLACED,
        "clocks_and_locks_replaced": ANSWERED_THEN_REPLACED,
        "modules_forgotten": TOLD,
        "garbage_without_collection": ANSWERED,
        "trace_that_raises": ENDED,
        "lock_never_given_up": Case(
            "model {model}: the callable did not return within the model's timeout of 2 s", True
        ),
        "switches_without_end": ANSWERED,
        "warnings_are_errors": ANSWERED,
    },
    "deleted": {"own_file_deleted": TOLD},
    "streams": {
        "stream_without_end": Case(LEFT),
        "stream_without_end_that_refuses_to_close": Case(LEFT),
        "stream_that_never_yields": LATE,
        "stream_of_nothing": Case("nothing"),
        "stream_of_odd_things": Case("answer; model '{model}': output 'y' is a object; …"),
        "async_stream_without_end": Case(LEFT),
        "async_stream_that_never_yields": LATE,
        "async_stream_that_swallows_the_end": LATE,
    },
}
