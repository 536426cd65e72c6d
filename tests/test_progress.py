"""Bars are for who looks."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

CODE = "from heart_reader.progress import progress; print(list(progress([1, 2], 'title', 'x')))"


def test_a_log_gets_no_bars():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == "[1, 2]\n"
    assert "title" not in done.stderr


def test_a_terminal_gets_them():
    own, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    process = subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=its)
    os.close(its)
    shown = b""
    while True:
        try:
            piece = os.read(own, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    assert process.wait(60) == 0
    assert b"title" in shown
