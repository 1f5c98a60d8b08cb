"""Names of files and directories with every character that file systems allow."""

import string

#: Printable characters without the slash and those that only move the cursor, and some of other scripts.
CHARACTERS = "".join(sorted(set(string.printable) - set("/\t\n\r\x0b\x0c"))) + "éß日😀\u00a0"
#: One name with all of them.
ODD = f"x{CHARACTERS}x"
