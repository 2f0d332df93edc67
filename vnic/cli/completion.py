"""The command ``vnic completion``, and what its scripts ask at each TAB.

click has classes for the three shells. These differ where theirs go wrong: bash splits words at ``=`` and ``:``, a name
that still needs its value must not be followed by a blank, and an error must not be printed over the line.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete, add_completion_class, split_arg_string

from vnic.cli.help import Command

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_BASH = r"""%(complete_func)s() {
    local type value
    COMPREPLY=()
    while IFS=$'\t' read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            nospace) compopt -o nospace; COMPREPLY+=("$value") ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
_ZSH = r"""#compdef %(prog_name)s
%(complete_func)s() {
    local -a plain nospace
    local type value told
    while IFS=$'\t' read -r type value told; do
        case $type in
            dir) _files -/ ;;
            file) _files ;;
            nospace) nospace+=("${value//:/\\:}${told:+:$told}") ;;
            plain) plain+=("${value//:/\\:}${told:+:$told}") ;;
        esac
    done < <(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) %(complete_var)s=zsh_complete ${words[1]} 2>/dev/null)
    (( $#plain )) && _describe -V %(prog_name)s plain -U
    (( $#nospace )) && _describe -V %(prog_name)s nospace -U -S ''
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""
_FISH = r"""function %(complete_func)s
    set -l command (commandline -opc)[1]
    set -l lines (COMP_WORDS=(commandline -cp | string collect) COMP_CWORD=(commandline -ct | string collect) \
        %(complete_var)s=fish_complete $command 2>/dev/null)
    for line in $lines
        set -l part (string split -m 2 \t -- $line)
        switch $part[1]
            case dir
                __fish_complete_directories $part[2]
            case file
                __fish_complete_path $part[2]
            case plain nospace
                printf '%%s\t%%s\n' $part[2] "$part[3]"
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


def _line(item: CompletionItem, value: str) -> str:
    told = " ".join((item.help or "").split())
    return "\t".join([item.type, value, *([told] if told else [])])


def _split(args: list[str], incomplete: str) -> tuple[list[str], str, str]:
    """Split ``--option=value``, as if there were a blank. Also return what stands before the value then."""
    name, eq, value = incomplete.partition("=")
    return ([*args, name], value, name + eq) if eq and name.startswith("-") else (args, incomplete, "")


class _Bash(BashComplete):
    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get("COMP_LINE", "")
        words = split_arg_string(line)[1:]
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        # bash replaces only what follows the last of these; within quotes it does not, and then nothing is offered
        breaks = set(os.environ.get("COMP_WORDBREAKS", "")) & set("=:")
        self._cut = max((incomplete.rfind(c) + 1 for c in breaks), default=0)
        words, incomplete, self._prefix = _split(words, incomplete)
        return words, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.type}\t{(self._prefix + item.value)[self._cut :]}"


class _Zsh(ZshComplete):
    source_template = _ZSH

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete, self._prefix = _split(*super().get_completion_args())
        return args, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        return _line(item, self._prefix + item.value)


class _Fish(FishComplete):
    source_template = _FISH

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete, self._prefix = _split(*super().get_completion_args())
        return args, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        return _line(item, self._prefix + item.value)


_SHELLS: dict[str, Any] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def register() -> None:
    """Let click use these classes for the three shells."""
    for name, shell in _SHELLS.items():
        add_completion_class(shell, name)


@click.command(
    cls=Command,
    examples=(
        "source <(vnic completion bash)  # in ~/.bashrc",
        "vnic completion zsh > ~/.zfunc/_vnic  # in a directory of fpath",
        "vnic completion fish > ~/.config/fish/completions/vnic.fish",
    ),
)
@click.argument("shell", type=click.Choice([*_SHELLS]))
def completion(*, shell: str) -> None:
    """Print a script that completes vnic's commands in a shell.

    A TAB then offers commands, options, knobs and their values (--set), files, interfaces, and of running instances
    their names, the files of vnic show and set, sysctls, and what ethtool takes.
    """
    names = {"complete_func": "_vnic_completion", "complete_var": "_VNIC_COMPLETE", "prog_name": "vnic"}
    click.echo(_SHELLS[shell].source_template % names, nl=False)
