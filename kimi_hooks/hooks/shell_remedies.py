"""What to write instead: the second half of every refusal."""

from __future__ import annotations

import re

VARIABLE = 'put it in a variable on a line of its own: NAME=TAG , and use "$NAME" there'
NUMBER = (
    "put it in a variable, NAME=TAG , and let only a number through, "
    "case $NAME in ''|*[!0-9]*) exit 1 ;; esac , before $NAME is calculated with"
)
COMPARE = 'compare with [ TAG = word ] , or put it in a variable, NAME=TAG , and use == on "$NAME"'
HERE = (
    "print it with printf '%s\\n' TAG , or put it in a variable, NAME=TAG , and use $NAME in an unquoted here-document"
)
COMMAND = "write the command's own name here and let the value be an argument of it"
DECLARE = "assign it on a line of its own, NAME=TAG , and declare or export NAME on another line"
SHELL = """hand it over in a variable: NAME=TAG sh -c 'command "$NAME"'"""
EVALUATED = (
    'call the command directly, or put the value in a variable, NAME=TAG , and use "$NAME" in the single-quoted code'
)
FORMAT = "write the format first, as in printf '%s\\n' TAG"
PROGRAM = (
    "write the program out and hand the value over behind -- , or in a variable, NAME=TAG , that the program looks up"
)
FIND = "let it follow a test, as in find . -name TAG , or begin it with a folder, as in find ./TAG"
TEST = (
    "compare one value at a time, as in [ TAG = word ] or [ -n TAG ] , "
    'quoting every "$variable", and join tests with && or ||'
)
SPECIAL = "use a variable name that the shell gives no meaning to, such as value_NAME=TAG"
ARRAY = 'put it in a variable, NAME=TAG , and list "$NAME" without a subscript'
TARGET = "write > TAG , and 2>&1 after it where both outputs are meant"
SET = "write set -- TAG"
WHOLE = "put whole words inside the block, or the whole command, once for each branch"
BLOCK = "let the block begin and end outside quotes, around whole lines or whole words of one command"
SIMPLER = "write it more simply, or move it into a script of its own without tags and call that"
SPLIT = "let the line that begins the here-document end there, with the body directly under it"
CLOSE = "close it, or move it into a script of its own without tags"
BASH = "say #!/usr/bin/env bash in the first line, or write what every shell reads alike"
RAW = "write a shell expansion such as ${#x} inside {% raw %}...{% endraw %}"
ALONE = "move it into a script of its own without tags and call that"

INSIDE = {
    "arithmetic": NUMBER,
    "a subscript": NUMBER,
    "[[ ... ]]": COMPARE,
    "a here-document": HERE,
}


def spell(remedy: str, label: str) -> str:
    """The remedy with the tag itself and a variable named after what it holds."""
    inner = label.strip("{} ")
    found = re.match(r"[A-Za-z_][\w.]*", inner)
    name = re.sub(r"\W", "", found[0].rpartition(".")[2]).lower() if found else ""
    return remedy.replace("NAME", name or "value").replace("TAG", label)
