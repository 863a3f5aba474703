"""Names that mean something to the shell: variables, commands that evaluate, reserved words."""

from __future__ import annotations

import re

# Assigning to these runs code, calculates, or changes which code runs.
SPECIAL = re.compile(
    r"PS[0-9]|PROMPT_COMMAND|BASH_\w*|BASHOPTS|BASHPID|ENV|IFS|PATH|CDPATH|SHELLOPTS|SHELL|OPT\w+|RANDOM|SRANDOM|SECONDS|LINENO"
    r"|HIST\w+|EPOCH\w*|E?UID|PPID|GROUPS|GLOBIGNORE|FIGNORE|DIRSTACK|FUNCNAME|FUNCNEST|PIPESTATUS|LD_\w+|DYLD_\w+|MAIL\w*|TMOUT"
    r"|COMP_\w+|COMPREPLY|READLINE_\w+|POSIXLY_CORRECT|FCEDIT|EDITOR|VISUAL|PAGER|MANPAGER|LESSOPEN|LESSCLOSE|SSH_ASKPASS|SUDO_ASKPASS"
    r"|GIT_(SSH|SSH_COMMAND|EDITOR|PAGER|EXTERNAL_DIFF|PROXY_COMMAND|ASKPASS|EXEC_PATH|CONFIG\w*)"
    r"|GIT_(DIR|TEMPLATE_DIR)|HOME|TEXTDOMAIN(DIR)?|GCONV_PATH|LOCPATH|NLSPATH|TAR_OPTIONS|RSYNC_RSH|MAKEFLAGS|OPENSSL_CONF"
    r"|CURL_HOME|WGETRC|INPUTRC|BROWSER|NODE_PATH|CLASSPATH"
    r"|PYTHON(STARTUP|PATH|HOME|INSPECT)|PERL5?(LIB|OPT|DB)|RUBY(OPT|LIB)|NODE_OPTIONS|JAVA_TOOL_OPTIONS",
    re.ASCII,
)

# fmt: off
DECLARING = frozenset({"declare", "typeset", "local", "export", "readonly"})
STORING = frozenset({"read", "mapfile", "readarray"})
EVALUATING = DECLARING | STORING | frozenset([
    "eval", "trap", ".", "source", "let", "unset", "alias", "unalias", "compgen", "complete", "compopt", "bind",
    "getopts", "wait", "jobs", "fc", "history", "enable", "hash", "shopt", "coproc",
])
# These run what stands in their arguments, at once or somewhere else.
REMOTE = frozenset([
    "ssh", "su", "runuser", "watch", "parallel", "rsh", "mosh", "script", "tmux", "screen", "sg", "expect", "entr",
    "osascript", "make", "gmake", "m4", "gdb", "lua", "luajit", "tclsh", "Rscript",
])
SHELLS = frozenset(["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "rbash", "fish"])
# To these the name of a shell is a text like any other.
STRINGS = frozenset({"echo", "printf", "grep", "jq", "logger", "notify-send", "test", "["})
# fmt: on

OPENING = frozenset(["if", "while", "until", "for", "select", "case", "{", "[[", "function"])
CLOSING = frozenset(["then", "elif", "else", "fi", "do", "done", "esac", "}"])
RESERVED = OPENING | CLOSING | frozenset({"!", "in", "time", "coproc"})
