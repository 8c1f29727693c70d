# bash completion for dmonitor. The program itself knows its commands, its flags, and the hosts and tests of the
# configuration folder.
_dmonitor() {
    local cur words cword
    COMPREPLY=()
    # A host may be an IPv6 address, and bash takes ":" for the end of a word.
    if declare -F _get_comp_words_by_ref >/dev/null; then
        _get_comp_words_by_ref -n : cur words cword
    else
        cur=${COMP_WORDS[COMP_CWORD]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
    fi
    mapfile -t COMPREPLY < <(dmonitor complete -- "${words[@]:1:cword}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
    if declare -F __ltrim_colon_completions >/dev/null; then
        __ltrim_colon_completions "$cur"
    fi
}
complete -o default -F _dmonitor dmonitor
