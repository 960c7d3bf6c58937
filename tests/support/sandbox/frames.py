"""Code for a program whose main thread a test waits for: it tells when that is in a function."""

from __future__ import annotations

WATCH = """
def watch(file, function, seen):
    import sys, threading, time
    from pathlib import Path
    main = threading.main_thread().ident
    def is_inside(frame):
        while frame is not None:
            if (Path(frame.f_code.co_filename).name, frame.f_code.co_name) == (file, function):
                return True
            frame = frame.f_back
    def look():
        while not is_inside(sys._current_frames()[main]):
            time.sleep(0.005)
        Path(seen).touch()
    threading.Thread(target=look, daemon=True).start()
"""
"""``watch`` creates the file ``seen`` once the main thread is inside a function of a file with that name."""
