"""A text field in a window, which writes what stands in it to a file.

python editor.py FILE [SECONDS]: it looks at its keys only after so many seconds, as a program does that is busy.
"""

import sys
import time
import tkinter
from pathlib import Path


def main(file: Path, seconds: float) -> None:
    window = tkinter.Tk()
    field = tkinter.Text(window)
    field.pack()

    def save(*_: object) -> None:
        part = file.with_suffix(".part")
        part.write_text(field.get("1.0", "end-1c"), "utf-8")
        part.replace(file)
        field.edit_modified(False)

    def begin() -> None:
        if window.focus_get() is not field or not field.winfo_viewable():
            field.focus_force()
            window.after(20, begin)
            return
        save()
        field.bind("<<Modified>>", save)
        field.bind(
            "<Key>", lambda event: time.sleep(seconds) if seconds and not field.get("1.0", "end-1c") else None
        )

    begin()
    window.mainloop()


main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
